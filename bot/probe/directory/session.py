"""One signed-in connection to one domain controller. It blocks: it lives in a thread of its own."""

import contextlib
import math
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from bot.probe.directory.failures import SignInRefused, Unreached, failed_search, refused_sign_in
from bot.probe.directory.ldap import LDAPException, LDAPPackageUnavailableError, ldap3
from bot.probe.directory.settings import DirectorySettings, Security, is_loopback
from bot.probe.section import secret_in

LDAP, LDAPS, CATALOG, CATALOG_TLS = 389, 636, 3268, 3269
PAGE: Final = 500
NO_SUCH_OBJECT: Final = 32
CUT: Final = frozenset({0, 4})
"""Whole, or as much of it as was asked for."""
PAGED: Final = "1.2.840.113556.1.4.319"
BASE: Final = ldap3.BASE
LEVEL: Final = ldap3.LEVEL
SUBTREE: Final = ldap3.SUBTREE
ANY: Final = "(objectClass=*)"
ROOT_ATTRIBUTES: Final = (
    *("defaultNamingContext", "configurationNamingContext", "schemaNamingContext", "rootDomainNamingContext"),
    *("namingContexts", "dnsHostName", "tokenGroups"),
)
RANGE: Final = re.compile(r"(.*?);range=\d+-(\d+|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Controller:
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Entry:
    dn: str
    values: Mapping[str, tuple[bytes, ...]]
    """Raw, by the attribute's name in lower case; what is empty is left out."""
    more: frozenset[str] = frozenset()
    """Attributes that hold more values than the controller sends at once."""
    unread: frozenset[str] = frozenset()
    """Attributes that may not be read, so that an absent value says nothing."""

    def first(self, name: str) -> bytes | None:
        return next(iter(self.values.get(name.lower(), ())), None)

    def text(self, name: str) -> str | None:
        value = self.first(name)
        return None if value is None else value.decode("utf-8", "replace")

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(each.decode("utf-8", "replace") for each in self.values.get(name.lower(), ()))


@dataclass
class Line:
    """The socket under a session, so that whoever lost patience with it can cut it."""

    _socket: socket.socket | None = None
    _cut: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_over(self, opened: socket.socket) -> None:
        with self._lock:
            self._socket = opened
            if self._cut:
                _shut(opened)

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            if self._socket is not None:
                _shut(self._socket)


def _shut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Session:
    controller: Controller
    connection: Any

    @cached_property
    def root(self) -> Entry:
        found = self.read("", ROOT_ATTRIBUTES)
        return found or Entry("", {})

    @property
    def domain_dn(self) -> str:
        return self.root.text("defaultNamingContext") or ""

    @property
    def configuration_dn(self) -> str:
        return self.root.text("configurationNamingContext") or ""

    def read(self, dn: str, attributes: Sequence[str], *, controls: Sequence[Any] = ()) -> Entry | None:
        """One object by its name; None where there is none, or none to be seen. Raises DirectoryError."""
        return next(iter(self._page(dn, ANY, attributes, BASE, controls, most=1)[0]), None)

    def search(
        self,
        under: str,
        wanted: str,
        attributes: Sequence[str],
        *,
        most: int,
        scope: str = SUBTREE,
        controls: Sequence[Any] = (),
    ) -> tuple[Entry, ...]:
        """At most so many, read page by page. Raises DirectoryError."""
        found: list[Entry] = []
        cookie: bytes | None = None
        while True:
            size = min(PAGE, most - len(found))
            page, cookie = self._page(under, wanted, attributes, scope, controls, most=size, paged=True, cookie=cookie)
            found += page
            if not cookie or len(found) >= most:
                return tuple(found[:most])

    def _page(
        self,
        under: str,
        wanted: str,
        attributes: Sequence[str],
        scope: str,
        controls: Sequence[Any],
        *,
        most: int,
        paged: bool = False,
        cookie: bytes | None = None,
    ) -> tuple[list[Entry], bytes | None]:
        with _translated():
            self.connection.search(
                under,
                wanted,
                scope,
                attributes=list(attributes),
                controls=list(controls) or None,
                paged_size=most if paged else None,
                paged_cookie=cookie,
                time_limit=10,
            )
        result = self.connection.result
        if result["result"] == NO_SUCH_OBJECT:
            return [], None
        if result["result"] not in CUT:
            raise failed_search(result)
        entries = [_entry(each) for each in self.connection.response or () if each.get("type") == "searchResEntry"]
        return entries, _cookie(result) if paged else None


def _cookie(result: Mapping[str, Any]) -> bytes | None:
    control = (result.get("controls") or {}).get(PAGED) or {}
    return (control.get("value") or {}).get("cookie") or None


def _entry(raw: Mapping[str, Any]) -> Entry:
    values: dict[str, tuple[bytes, ...]] = {}
    more: set[str] = set()
    for name, held in raw["raw_attributes"].items():
        ranged = RANGE.fullmatch(name)
        key = (ranged[1] if ranged else name).lower()
        if held:
            values[key] = tuple(held)
        if ranged and ranged[2] != "*":
            more.add(key)
    return Entry(raw["dn"], values, frozenset(more))


@dataclass(frozen=True)
class Entrance:
    """How every session is opened."""

    settings: DirectorySettings
    trust: Callable[[], ssl.SSLContext]
    within: float
    """Seconds for each single step."""


@contextmanager
def opened(way: Entrance, controller: Controller, line: Line, *, catalog: bool = False) -> Iterator[Session]:
    """A session with the controller, or with its Global Catalog. Raises DirectoryError."""
    connection = _connection(way, controller, catalog=catalog)
    try:
        with _translated(connecting=controller.name):
            connection.open(read_server_info=False)
            line.is_over(connection.socket)
            if way.settings.security is Security.STARTTLS and not connection.start_tls(read_server_info=False):
                raise Unreached(f"{controller.name} does not offer TLS")
            line.is_over(connection.socket)  # TLS has put another one in its place
        _sign_in(connection, controller)
        yield Session(controller, connection)
    finally:
        leave(connection)


def leave(connection: Any) -> None:
    """The library forgets to close a connection that came up only halfway."""
    with contextlib.suppress(LDAPException, OSError):
        connection.unbind()
    if connection.socket is not None:
        connection.socket.close()


def _connection(way: Entrance, controller: Controller, *, catalog: bool) -> Any:
    settings, within = way.settings, way.within
    safe = settings.security is not Security.NONE
    if not safe and not is_loopback(controller.address):
        raise SignInRefused("a password is not sent over an open connection: use ldaps or starttls")
    tls = settings.security is Security.LDAPS
    port = (CATALOG_TLS if tls else CATALOG) if catalog else (LDAPS if tls else LDAP)
    with _translated(connecting=controller.name):
        server = ldap3.Server(
            controller.address,
            port=port,
            use_ssl=tls,
            get_info=ldap3.NONE,
            connect_timeout=within,
            tls=_tls(way, controller) if safe else None,
        )
        return ldap3.Connection(
            server,
            **_identity(settings, controller),
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            receive_timeout=max(1, math.ceil(within)),  # the library takes whole seconds only
            read_only=True,
            return_empty_attributes=False,
        )


class _NamedTls(ldap3.Tls):  # type: ignore[misc]  # the library has no types
    """TLS by a context of ours: the library's own checks names with a function that newer Pythons do not have."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._name = context, name

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # its signature
        plain = connection.socket
        connection.socket = self._context.wrap_socket(
            plain, server_hostname=self._name, do_handshake_on_connect=do_handshake
        )


def _tls(way: "Entrance", controller: Controller) -> ldap3.Tls:
    return _NamedTls(_only(way.settings.ca) if way.settings.ca else way.trust(), controller.name)


def _only(certificates: Path) -> ssl.SSLContext:
    """Trusts these authorities and no others."""
    context = ssl.create_default_context(cafile=str(certificates))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _identity(settings: DirectorySettings, controller: Controller) -> dict[str, Any]:
    """A name and a password, or the ticket of the account that the process runs as."""
    if settings.user is None or settings.password is None:
        return {
            "authentication": ldap3.SASL,
            "sasl_mechanism": ldap3.KERBEROS,
            "sasl_credentials": (controller.name,),
        }
    try:
        password = secret_in(settings.password)
    except (OSError, UnicodeDecodeError) as error:
        raise SignInRefused(f"the password file cannot be read: {settings.password}") from error
    if not password:
        raise SignInRefused("the password file is empty")  # a simple bind without password succeeds as nobody
    return {"user": settings.user, "password": password, "authentication": ldap3.SIMPLE}


def _sign_in(connection: Any, controller: Controller) -> None:
    try:
        with _translated(connecting=controller.name):
            accepted = connection.bind(read_server_info=False)
    except ImportError as error:  # the library raises it in the middle of a bind by Kerberos
        raise SignInRefused("no Kerberos for the process's own identity on this machine") from error
    if not accepted:
        raise refused_sign_in(connection.result)


@contextmanager
def _translated(connecting: str | None = None) -> Iterator[None]:
    """Every error of the library, and of the socket beneath it, as one of ours."""
    try:
        yield
    except LDAPPackageUnavailableError as error:
        raise SignInRefused(
            "the process's own identity needs the package winkerberos (on Windows) or gssapi; or name a user"
        ) from error
    except (LDAPException, OSError, ValueError) as error:
        words = _words(error)
        if connecting:
            raise Unreached(f"{connecting}: {words}") from error
        raise Unreached(f"the connection was lost: {words}") from error


def _words(error: BaseException) -> str:
    text = str(error).lower()
    for sign, words in _SIGNS.items():
        if sign in text:
            return words
    return "no connection"


_SIGNS: Final = {
    "timed out": "timeout",
    "timeout": "timeout",
    "refused": "refused",
    "unreachable": "no route",
    "no route": "no route",
    "hostname mismatch": "its certificate is for another name",
    "certificate verify failed": "its certificate is not trusted",
    "certificate": "its certificate is not accepted",
    "ssl": "no TLS came up",
    "reset": "cut off",
    "closed": "cut off",
    "terminated": "cut off",
}
