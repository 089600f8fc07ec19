"""What passes between an admin, a server and the bot before the server's key is trusted: token, application, grant.

The token is carried by a person; its secret never goes over a wire. Both sides prove that they know it.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bot.relay.envelope import Bytes, PublicKey, b64, unb64
from bot.relay.wire import ForgedError, MalformedError, load

PREFIX: Final = "whysync1."
COMMAND: Final = "whysync probe enrol "
ENROL_PATH: Final = "/api/probe/enrol"
LONGEST_TOKEN: Final = 2_000
LARGEST_APPLICATION: Final = 8 * 1024
SAYS: Final[Mapping[str, str]] = {
    "no-token": "This is no enrolment token: it is one line that begins with whysync1. and comes from the bot.",
    "other-token": "This token is of another version of the bot than this package: install the package it names.",
    "cut-token": "This token is damaged or not complete: copy the whole line again, without line breaks.",
    "bad-token": "This token holds something that the bot never writes: ask the bot for a new one.",
    "bad-proof": "The answer was not made by the bot that made this token: something between the two has changed it.",
}
"""A sentence for each reason that parsing a token or checking a grant can give."""

Shape = Mapping[str, re.Pattern[str]]

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::\d{1,5})?"
_LOOPBACK = r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_MACHINE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_ID = re.compile(r"[0-9a-f]{32}")
_16, _32 = re.compile(r"[A-Za-z0-9_-]{22}"), re.compile(r"[A-Za-z0-9_-]{43}")

_TOKEN: Shape = {
    "url": re.compile(rf"(?:https://{_HOST}|http://{_LOOPBACK})(?:/[A-Za-z0-9._~-]+)*"),
    "tenant": _GUID,
    "probe": _NAME,
    "id": _ID,
    "secret": _32,
}
_APPLICATION: Shape = {
    "v": re.compile("1"),
    "invitation": _ID,
    "probe": _NAME,
    "host": _MACHINE,
    "key": _32,
    "nonce": _16,
    "proof": _32,
}
_GRANT: Shape = {"gen": _ID, "tenant": _GUID, "key": _32, "floor": re.compile(r"\d{1,5}(?:\.\d{1,5}){0,3}")}
_RELAY: Shape = {"namespace": re.compile(r"(?:[A-Za-z0-9.:-]{1,253})?"), "request": _NAME, "reply": _NAME}


@dataclass(frozen=True)
class Token:
    """What one admin reads in chat and types on one server. Whoever holds it may apply, once, under this name."""

    url: str
    """The bot's public address."""
    tenant: str
    probe: str
    invitation: str
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """One line, without a character that a shell or a chat would change."""
        return PREFIX + b64(_json(self._document).encode())

    @property
    def enrol_url(self) -> str:
        return self.url + ENROL_PATH

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Takes the whole line, too. Raises MalformedError with a reason that `SAYS` has a sentence for."""
        text = text.strip().removeprefix(COMMAND)
        if not text.startswith(PREFIX):
            raise MalformedError("other-token" if re.match(r"whysync\d+\.", text) else "no-token")
        if len(text) > LONGEST_TOKEN:
            raise MalformedError("bad-token")
        try:
            value = load(unb64(text.removeprefix(PREFIX)))
        except MalformedError as error:
            raise MalformedError("cut-token") from error
        it = _shaped(value, _TOKEN, "bad-token")
        return cls(it["url"], it["tenant"], it["probe"], it["id"], unb64(it["secret"]))

    def __post_init__(self) -> None:
        """What no probe would read is not handed out either."""
        _shaped(self._document, _TOKEN, "bad-token")

    @property
    def _document(self) -> dict[str, str]:
        names = {"url": self.url, "tenant": self.tenant, "probe": self.probe, "id": self.invitation}
        return {**names, "secret": b64(self.secret)}


@dataclass(frozen=True)
class Application:
    """What a probe sends to be enrolled."""

    invitation: str
    probe: str
    host: str
    key: PublicKey
    nonce: bytes
    proof: bytes

    @property
    def body(self) -> bytes:
        """As it is posted. Raises MalformedError where the bot would not read it."""
        names = {"v": "1", "invitation": self.invitation, "probe": self.probe, "host": self.host}
        document = {**names, "key": self.key.text, "nonce": b64(self.nonce), "proof": b64(self.proof)}
        return _json(_shaped(document, _APPLICATION, "bad-application")).encode()

    @classmethod
    def parse(cls, body: bytes) -> "Application":
        it = _shaped(load(body), _APPLICATION, "bad-application")
        key = PublicKey.from_text(it["key"])
        return cls(it["invitation"], it["probe"], it["host"], key, unb64(it["nonce"]), unb64(it["proof"]))


@dataclass(frozen=True)
class RelayNames:
    """Where the two meet; no credential: that one is the administrator's to place on the server."""

    namespace: str
    """Empty where the bot has no relay."""
    request: str
    reply: str


@dataclass(frozen=True)
class Grant:
    """The bot's answer: who the probe is from now on, whose orders it takes, and where."""

    gen: str
    tenant: str
    key: PublicKey
    """The fleet's, to be pinned."""
    relay: RelayNames
    floor: str
    """The oldest version of the probe that is given commands."""

    @property
    def document(self) -> dict[str, Any]:
        relay = {"namespace": self.relay.namespace, "request": self.relay.request, "reply": self.relay.reply}
        return {"gen": self.gen, "tenant": self.tenant, "key": self.key.text, "relay": relay, "floor": self.floor}

    def proof(self, secret_hash: bytes, asked: Application) -> bytes:
        """Goes with it, so that nobody between the two can put another key or another name in its place."""
        said = hashlib.sha256(_json(self.document).encode()).digest()
        return hmac.digest(secret_hash, b"whysync-bot\0" + asked.nonce + asked.key.raw + said, "sha256")

    def body(self, secret_hash: bytes, asked: Application) -> dict[str, Any]:
        return {**self.document, "proof": b64(self.proof(secret_hash, asked))}


def apply(token: Token, host: str, key: PublicKey, random: Bytes = secrets.token_bytes) -> Application:
    """On the probe's side: proves the token without sending it."""
    nonce = random(16)
    return Application(
        token.invitation,
        token.probe,
        host,
        key,
        nonce,
        application_proof(token_hash(token.secret), key, nonce, token.probe, host),
    )


def check_grant(token: Token, asked: Application, body: bytes) -> Grant:
    """On the probe's side: the grant, if the bot that made the token gave it. Raises MalformedError, ForgedError."""
    value = load(body)
    if not isinstance(value, dict) or value.keys() != {*_GRANT, "relay", "proof"}:
        raise MalformedError("bad-grant")
    it = _shaped({name: value[name] for name in _GRANT}, _GRANT, "bad-grant")
    relay = RelayNames(**_shaped(value["relay"], _RELAY, "bad-grant"))
    grant = Grant(it["gen"], it["tenant"], PublicKey.from_text(it["key"]), relay, it["floor"])
    proof = unb64(_shaped({"proof": value["proof"]}, {"proof": _32}, "bad-grant")["proof"])
    proven = hmac.compare_digest(grant.proof(token_hash(token.secret), asked), proof)
    if not proven or grant.tenant != token.tenant:
        raise ForgedError("bad-proof")
    return grant


def token_hash(secret: bytes) -> bytes:
    """What the bot keeps of a token. Proofs are made with it, so it is no less secret while it lasts."""
    return hashlib.sha256(b"whysync-token\0" + secret).digest()


def application_proof(secret_hash: bytes, key: PublicKey, nonce: bytes, probe: str, host: str) -> bytes:
    names = hashlib.sha256(probe.encode()).digest() + hashlib.sha256(host.encode()).digest()
    return hmac.digest(secret_hash, b"whysync-probe\0" + key.raw + hashlib.sha256(nonce).digest() + names, "sha256")


def _shaped(value: Any, shape: Shape, reason: str) -> dict[str, str]:
    """Exactly these fields, each a text of its own form."""
    if not isinstance(value, dict) or value.keys() != shape.keys():
        raise MalformedError(reason)
    for name, pattern in shape.items():
        if not isinstance(value[name], str) or pattern.fullmatch(value[name]) is None:
            raise MalformedError(reason, name)
    return value


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
