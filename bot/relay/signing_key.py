"""The bot's own Ed25519 key, from a file that only its owner can read or from a secret of an Azure Key Vault."""

import asyncio
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yarl import URL

from bot.loopback import is_loopback
from bot.relay.envelope import PrivateKey, unb64
from bot.relay.wire import MalformedError

API_VERSION: Final = "7.4"
PATIENCE: Final = 15.0
LARGEST: Final = 64 * 1024
VAULTS: Final = ("vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn")
_VAULT: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,22}[a-z0-9])")
_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = re.compile(r"[0-9A-Za-z]{1,64}")


class SigningKeyError(Exception):
    """There is no key to sign with. `reason` is a sentence that a person can read, and holds nothing secret.

    SigningKeyError
      KeyUnreadable   the file or the vault could not be read
      KeyUnusable     what was read, or the place it was to be read from, is none we use
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyUnreadable(SigningKeyError):  # noqa: N818  # reads as what it says
    pass


class KeyUnusable(SigningKeyError):  # noqa: N818
    pass


async def signing_key(
    setting: str, credential: AsyncTokenCredential | None = None, *, local: bool = False
) -> PrivateKey:
    """`setting` as WHYSYNC_SIGNING_KEY gives it. `local` lets a vault be on this machine. Raises SigningKeyError."""
    if "://" not in setting:
        return _key(await asyncio.to_thread(_read, Path(setting)), str(setting))
    url = _secret(setting, local=local)
    if credential is None:
        raise KeyUnreadable("The signing key lies in a key vault, and there is no identity to open it with.")
    return _key(await _fetched(url, credential), f"the secret {url.parts[2]} of {url.host}")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise KeyUnusable(f"{path} is no file.")
            if os.name == "posix" and found.st_mode & 0o077:
                raise KeyUnusable(f"{path} can be read by others; chmod 600 it.")
            return file.read(LARGEST).decode("ascii")
    except OSError as error:
        raise KeyUnreadable(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise KeyUnusable(f"{path} holds no key: it must be a PEM, or 32 bytes in base64url.") from error


def _key(text: str, where: str) -> PrivateKey:
    text = text.strip()
    if text.startswith("-----BEGIN"):
        return _from_pem(text, where)
    try:
        return PrivateKey(unb64(text.rstrip("=")))
    except MalformedError as error:
        raise KeyUnusable(f"{where} holds no key: it must be a PEM, or 32 bytes in base64url.") from error


def _from_pem(text: str, where: str) -> PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{where} is no PEM of a private key, or one that wants a password.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{where} holds a key of another kind; an Ed25519 key is needed.")
    return PrivateKey(key.private_bytes_raw())


def _secret(setting: str, *, local: bool) -> URL:
    """Only a vault gets our token. Raises KeyUnusable."""
    try:
        url = URL(setting)
    except ValueError as error:
        raise KeyUnusable("The address of the signing key cannot be read.") from error
    vault, _, cloud = (url.host or "").partition(".")
    known = url.scheme == "https" and url.port == 443 and cloud in VAULTS and _VAULT.fullmatch(vault)
    if not known and not (local and is_loopback(url.host)):
        raise KeyUnusable("The signing key must lie in a file or at https://VAULT.vault.azure.net/secrets/NAME.")
    _, *path = url.parts
    named = len(path) in (2, 3) and path[0] == "secrets" and _NAME.fullmatch(path[1])
    if not named or not all(map(_VERSION.fullmatch, path[2:])) or url.user or url.query_string or url.fragment:
        raise KeyUnusable("The address of the signing key must end in /secrets/NAME or /secrets/NAME/VERSION.")
    return url


async def _fetched(url: URL, credential: AsyncTokenCredential) -> str:
    cloud = next((each for each in VAULTS if (url.host or "").endswith(each)), VAULTS[0])
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(trust_env=not is_loopback(url.host)) as session:
            token = await credential.get_token(f"https://{cloud}/.default")
            bearer = {"Authorization": f"Bearer {token.token}"}
            asked = url.with_query({"api-version": API_VERSION})
            async with session.get(asked, headers=bearer, allow_redirects=False) as response:
                return _value(response.status, await _bounded(response), url)
    except AzureError as error:
        raise KeyUnreadable(f"No token for the key vault {url.host}: {type(error).__name__}.") from error
    except TimeoutError as error:
        raise KeyUnreadable(f"The key vault {url.host} does not answer in time.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise KeyUnreadable(f"The key vault {url.host} cannot be reached: {type(error).__name__}.") from error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST:
            break
    return bytes(raw)


def _value(status: int, raw: bytes, url: URL) -> str:
    if status in (401, 403):
        raise KeyUnreadable(
            f"The key vault {url.host} does not let this identity read secrets ({status}); "
            "give it the role Key Vault Secrets User, and see whether the vault's firewall lets it in."
        )
    if status == 404:
        raise KeyUnreadable(f"The key vault {url.host} has no secret {url.parts[2]}.")
    if status != 200:
        raise KeyUnreadable(f"The key vault {url.host} answers with status {status}.")
    value = _field(raw)
    if not isinstance(value, str):
        raise KeyUnreadable(f"What {url.host} answers is no secret.")
    return value


def _field(raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body.get("value") if isinstance(body, dict) else None
