"""Check `tls`: whose certificate this server is shown, whether it trusts it, and how a handshake fails."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from bot.probe.dialing import Stream, Unreached
from bot.probe.reach import Observed, ProbeReach, no_trust, short, unreached
from bot.probe.targets import Target

NOT_YET_VALID, EXPIRED, WRONG_NAME = 9, 10, 62
"""OpenSSL's reasons for not trusting a certificate."""
WANTS_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_ACCESS_DENIED")
"""Alerts of a host that would speak only to the agent, which has a certificate: it was reached."""
MOST_CERTIFICATES = 8


class NoHandshake(Exception):  # noqa: N818  # an outcome, named as such
    """`outcome`: reset, protocol or timeout; what is wrong with the certificate; ok if only the agent is let in."""

    def __init__(self, outcome: str, note: str | None = None, *, shown: bool = False) -> None:
        super().__init__(note or outcome)
        self.outcome = outcome
        self.note = note
        self.shown = shown
        """A certificate was shown, and is the trouble."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate, as far as it can be read."""

    issuer: str | None = None
    root: str | None = None
    not_after: str | None = None
    version: str | None = None
    subject: str | None = None


async def tls(reach: ProbeReach) -> Observed:
    async def ask(target: Target) -> dict[str, Any]:
        return await _row(reach, target)

    rows = await reach.each((each for each in reach.targets if each.port != 80), ask)
    done = [row for row in rows if "unreached" not in row]
    closed = unreached((row["host"], row["unreached"]) for row in rows if "unreached" in row)
    error = f"no connection for a handshake ({closed})" if closed else None
    if not done:
        return Observed(None, [], error or "there is no host to try")
    return Observed(all(row["outcome"] == "ok" for row in done), done, error)


async def _row(reach: ProbeReach, target: Target) -> dict[str, Any]:
    outcome, note, shown = "ok", None, Shown()
    try:
        shown = await _handshake(reach, target, reach.trust())
    except Unreached as error:
        return {"host": target.host, "unreached": error.outcome}
    except NoHandshake as error:
        outcome, note = error.outcome, error.note
        if error.shown:
            shown = await _read_anyway(reach, target)
    row: dict[str, Any] = {"host": target.host, "port": target.port, "outcome": outcome}
    row |= {"issuer": shown.issuer, "root": shown.root, "notAfter": shown.not_after, "version": shown.version}
    if note and note.startswith("wrong name"):
        # Another host's certificate says nothing about who issues this one's, so nobody may be blamed by its issuer.
        row |= {"issuer": None, "root": None, "shownFor": shown.subject, "shownIssuer": shown.issuer}
    return row | ({"note": note} if note else {})


async def _handshake(reach: ProbeReach, target: Target, context: ssl.SSLContext) -> Shown:
    """Over the way that the agent takes. Raises Unreached, NoHandshake."""
    async with reach.dialer.opened(target, reach.proxies.of_agent) as stream:
        return read_certificate(await shake_hands(stream, target.host, context, reach.within))


async def _read_anyway(reach: ProbeReach, target: Target) -> Shown:
    try:
        return await _handshake(reach, target, no_trust())
    except (Unreached, NoHandshake):
        return Shown()


async def shake_hands(stream: Stream, host: str, context: ssl.SSLContext, within: float) -> ssl.SSLObject:
    """Raises NoHandshake."""
    try:
        async with asyncio.timeout(within):
            await stream[1].start_tls(context, server_hostname=host)
    except TimeoutError as error:
        raise NoHandshake("timeout") from error
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(error) from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
        raise NoHandshake("reset") from error
    except ssl.SSLError as error:
        raise _refused(error) from error
    except OSError as error:
        raise NoHandshake("reset", short(str(error))) from error
    found = stream[1].get_extra_info("ssl_object")
    if not isinstance(found, ssl.SSLObject):
        raise NoHandshake("protocol", "no TLS")
    return found


def _refused(error: ssl.SSLError) -> NoHandshake:
    reason = error.reason or str(error)
    if reason.endswith(WANTS_CLIENT_CERTIFICATE):
        return NoHandshake("ok", "reached; it lets in only the agent, by the agent's certificate")
    return NoHandshake("protocol", short(reason))


def _distrusted(error: ssl.SSLCertVerificationError) -> NoHandshake:
    outcome = {NOT_YET_VALID: "not-yet-valid", EXPIRED: "expired"}.get(error.verify_code, "untrusted")
    wrong_name = error.verify_code == WRONG_NAME
    return NoHandshake(outcome, short(("wrong name: " if wrong_name else "") + error.verify_message), shown=True)


def read_certificate(connection: ssl.SSLObject) -> Shown:
    """What cannot be read stays None: a strange certificate is no reason to lose the result."""
    chain = _chain(connection)
    try:
        first, last = x509.load_der_x509_certificate(chain[0]), x509.load_der_x509_certificate(chain[-1])
        until = first.not_valid_after_utc.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return Shown(_name(first.issuer), _name(last.issuer), until, connection.version(), _name(first.subject))
    except (IndexError, ValueError, x509.UnsupportedGeneralNameType):
        return Shown(version=connection.version())


def _chain(connection: ssl.SSLObject) -> list[bytes]:
    """What the server sent, its own first. Servers leave out the root, which is the issuer of the last one."""
    if hasattr(connection, "get_unverified_chain"):  # from Python 3.13
        return list(connection.get_unverified_chain())[:MOST_CERTIFICATES]
    inner = connection._sslobj  # type: ignore[attr-defined]  # noqa: SLF001  # before 3.13 there is no other way to it
    sent = inner.get_unverified_chain() or []
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in sent[:MOST_CERTIFICATES]]


def _name(name: x509.Name) -> str | None:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for found in name.get_attributes_for_oid(kind):
            return short(str(found.value))
    return short(name.rfc4514_string()) or None
