"""Where the bot's signing key may come from, and in which words it is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from bot.relay import signing_key as module
from bot.relay.envelope import PrivateKey, b64
from bot.relay.signing_key import KeyUnreadable, KeyUnusable, signing_key
from bot.tokens import FixedToken

SEED = bytes(range(32))
WANTED = PrivateKey(SEED).public
ED25519 = Ed25519PrivateKey.from_private_bytes(SEED)
PEM = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def kept(folder: Path, content: bytes, mode: int = 0o600) -> str:
    file = folder / "signing.key"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


@pytest.mark.parametrize("content", [PEM, b64(SEED).encode(), b64(SEED).encode() + b"=\r\n"])
async def test_a_key_is_read_from_a_file_of_its_owner(tmp_path: Path, content: bytes) -> None:
    assert (await signing_key(kept(tmp_path, content))).public == WANTED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyUnusable, match="chmod 600"):
        await signing_key(kept(tmp_path, PEM, mode))


OTHER = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCKED = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "32 bytes in base64url"),
        (b64(SEED[:31]).encode(), "32 bytes in base64url"),
        (b"\xff" * 32, "32 bytes in base64url"),
        (b"-----BEGIN PRIVATE KEY-----\nhello\n-----END PRIVATE KEY-----", "no PEM of a private key"),
        (LOCKED, "wants a password"),
        (OTHER, "Ed25519 key is needed"),
    ],
)
async def test_what_is_no_ed25519_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes, word: str) -> None:
    with pytest.raises(KeyUnusable, match=word) as error:
        await signing_key(kept(tmp_path, content))
    assert b64(SEED[:31]) not in error.value.reason


async def test_a_file_that_is_not_there_or_no_file_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(KeyUnreadable, match="No such file"):
        await signing_key(str(tmp_path / "none"))
    with pytest.raises(KeyUnreadable, match="directory"):
        await signing_key(str(tmp_path))


async def test_a_secret_that_comes_in_pieces_is_read_whole() -> None:
    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"value": "', b64(SEED).encode(), b'"}'):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    vault = Vault()
    vault.handle = pieces  # type: ignore[method-assign, assignment]  # the same answer, slowly
    async with open_vault(vault) as url:
        assert (await signing_key(f"{url}/secrets/probe", FixedToken("t"), local=True)).public == WANTED


class Vault:
    """Answers as the vault's REST interface is documented to."""

    def __init__(self, value: str = b64(SEED), status: int = 200, body: bytes | None = None) -> None:
        self.value, self.status, self.body = value, status, body
        self.asked: list[tuple[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((str(request.rel_url), request.headers["Authorization"]))
        secret = {"value": self.value, "id": str(request.url), "attributes": {"enabled": True}}
        return web.Response(status=self.status, body=self.body or json.dumps(secret), headers={"Location": "/x"})


@asynccontextmanager
async def open_vault(vault: Vault) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{rest:.*}", vault.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("value", [b64(SEED), PEM.decode()])
@pytest.mark.parametrize("version", ["", "/4387e9f3d6e14c459867679a90fd0f79"])
async def test_a_key_is_read_from_a_vault(value: str, version: str) -> None:
    vault = Vault(value)
    async with open_vault(vault) as url:
        key = await signing_key(f"{url}/secrets/probe-signing{version}", FixedToken("t0ken"), local=True)
    assert key.public == WANTED
    assert vault.asked == [(f"/secrets/probe-signing{version}?api-version=7.4", "Bearer t0ken")]


@pytest.mark.parametrize(
    ("vault", "word"),
    [
        (Vault(status=401), "Key Vault Secrets User"),
        (Vault(status=403), "Key Vault Secrets User"),
        (Vault(status=404), "has no secret probe"),
        (Vault(status=302), "status 302"),
        (Vault(status=500), "status 500"),
        (Vault(body=b"<html>"), "is no secret"),
        (Vault(body=b'{"value": 7}'), "is no secret"),
        (Vault(body=b"[" * 60_000), "is no secret"),
    ],
)
async def test_a_vault_that_gives_no_key_is_said_in_words(vault: Vault, word: str) -> None:
    async with open_vault(vault) as url:
        with pytest.raises(KeyUnreadable, match=word):
            await signing_key(f"{url}/secrets/probe", FixedToken("t"), local=True)
    assert len(vault.asked) == 1


async def test_a_secret_that_is_no_key_is_refused() -> None:
    async with open_vault(Vault("hello")) as url:
        with pytest.raises(KeyUnusable, match=r"the secret probe of 127\.0\.0\.1 holds no key"):
            await signing_key(f"{url}/secrets/probe", FixedToken("t"), local=True)


class Asked(FixedToken):
    """Remembers for what, and gives none."""

    scope = ""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        type(self).scope = scopes[0]
        raise ClientAuthenticationError("a secret text of the library")


@pytest.mark.parametrize("cloud", module.VAULTS)
async def test_each_cloud_has_its_own_scope_and_no_token_is_said_in_words(cloud: str) -> None:
    with pytest.raises(KeyUnreadable, match=r"No token .* ClientAuthenticationError") as error:
        await signing_key(f"https://contoso.{cloud}/secrets/probe", Asked("t"))
    assert Asked.scope == f"https://{cloud}/.default"
    assert "secret text" not in error.value.reason


async def test_a_vault_that_cannot_be_reached_is_said_in_words() -> None:
    with pytest.raises(KeyUnreadable, match="cannot be reached"):
        await signing_key("http://127.0.0.1:1/secrets/probe", FixedToken("t"), local=True)
    with pytest.raises(KeyUnreadable, match="no identity"):
        await signing_key("https://contoso.vault.azure.net/secrets/probe")


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.vault.azure.net/secrets/probe",
        "https://vault.azure.net/secrets/probe",
        "https://contoso.vault.azure.net.evil.example/secrets/probe",
        "https://evil.example/vault.azure.net/secrets/probe",
        "https://a.b.vault.azure.net/secrets/probe",
        "https://contoso.vault.azure.net:8443/secrets/probe",
        "https://user@contoso.vault.azure.net/secrets/probe",
        "https://contoso.vault.azure.net/keys/probe",
        "https://contoso.vault.azure.net/secrets/",
        "https://contoso.vault.azure.net/secrets/a/b/c",
        "https://contoso.vault.azure.net/secrets/probe?x=1",
        "https://contoso.vault.azure.net/secrets/../x",
        "http://127.0.0.1/secrets/probe",
        "file:///etc/passwd",
        "https://[::1/secrets/x",
    ],
)
async def test_our_token_goes_to_no_place_that_is_no_vault(url: str) -> None:
    with pytest.raises(KeyUnusable):
        await signing_key(url, FixedToken("t"))
