"""How this server reaches the bot: the tables `[relay]` and `[fallback]` of the policy file."""

import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.probe.section import Section, secret_in

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
NAMESPACE: Final = re.compile(r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
FORMS: Final = "connection_string:FILE, managed_identity[:client-id] or certificate:FILE;tenant-id;client-id"


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """The key of this probe's own queues, in a file."""

    file: Path


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of an application in Entra, with its private key, in a file."""

    file: Path
    tenant: str
    client_id: str


Credential = ConnectionString | ManagedIdentity | Certificate


@dataclass(frozen=True, slots=True)
class WayProxy:
    host: str
    port: int
    credentials: Path | None = None
    """A file with `name:password`."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def name_and_password(self) -> tuple[str, str] | None:
        """Raises OSError, UnicodeDecodeError."""
        if self.credentials is None:
            return None
        name, _, password = secret_in(self.credentials).partition(":")
        return name, password


@dataclass(frozen=True, slots=True)
class RelayWay:
    namespace: str | None = None
    """In place of the one that the bot named at enrolment."""
    credential: Credential | None = None
    """None: the relay is not used."""
    proxy: WayProxy | None = None


@dataclass(frozen=True, slots=True)
class FallbackWay:
    url: str | None = None
    """In place of the address that the token carried."""
    proxy: WayProxy | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    relay: RelayWay = field(default_factory=RelayWay)
    fallback: FallbackWay = field(default_factory=FallbackWay)


def parse_relay(section: Section) -> RelayWay:
    section.knows("namespace", "credential", "proxy", "proxy_credentials")
    namespace = section.text("namespace")
    if namespace is not None and not NAMESPACE.fullmatch(namespace):
        section.refuse("namespace", "must be a host name such as contoso.servicebus.windows.net")
    return RelayWay(namespace, _credential(section), _proxy(section))


def parse_fallback(section: Section) -> FallbackWay:
    section.knows("url", "proxy", "proxy_credentials")
    url = section.text("url")
    if url is not None and not is_safe_url(url):
        section.refuse("url", "must begin with https:// and hold neither a name and password nor a question mark")
    return FallbackWay(url.rstrip("/") if url else None, _proxy(section))


def is_safe_url(text: str) -> bool:
    """HTTPS, or HTTP to this machine itself."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return False
    plain = url.scheme == "http" and url.hostname in LOOPBACK
    return (url.scheme == "https" or plain) and bool(url.hostname) and not (url.username or url.query or url.fragment)


def _credential(section: Section) -> Credential | None:
    text = section.text("credential")
    if text is None:
        return None
    kind, _, rest = text.partition(":")
    match kind:
        case "connection_string" if rest:
            file = section.secret_file("credential", rest)
            return None if file is None else ConnectionString(file)
        case "managed_identity":
            return ManagedIdentity(_guid(section, rest) if rest else None)
        case "certificate" if rest.count(";") == 2:
            path, tenant, client = rest.split(";")
            file = section.secret_file("credential", path)
            ids = _guid(section, tenant), _guid(section, client)
            return None if file is None else Certificate(file, *ids)
    section.refuse("credential", f"must be {FORMS}")
    return None


def _guid(section: Section, text: str) -> str:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        section.refuse("credential", f"{text!r} is no GUID; the form is {FORMS}")
        return ""


def _proxy(section: Section) -> WayProxy | None:
    text, credentials = section.text("proxy"), section.file("proxy_credentials")
    if text is None:
        if credentials is not None:
            section.refuse("proxy_credentials", "there is no proxy for them")
        return None
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port or 80
    except ValueError:
        host, port = None, 0
    if not host or url.scheme != "http" or url.username or url.path not in ("", "/") or url.query:
        section.refuse(
            "proxy", "must be http://HOST:PORT; a name and password go into the file proxy_credentials names"
        )
        return None
    return WayProxy(host, port, credentials)
