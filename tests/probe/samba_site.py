"""A company in a real Active Directory: difficult names, closed containers, a service account, two controllers."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.clock import SystemClock
from bot.probe.allowed import CHECKS
from bot.probe.checks.dns_wire import Resolved
from bot.probe.dialing import Dialer
from bot.probe.directory.descriptors import sid_text
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.ldap import ldap3
from bot.probe.directory.memory import ContainerMemory
from bot.probe.directory.settings import DirectorySettings
from bot.probe.reach import Observed, ProbeReach, Proxies, system_trust
from infra.local.samba import REALM, SambaController, SambaDomain, SambaError, samba_domain, why_not

T = TypeVar("T")
ROOT = "DC=corp,DC=contoso,DC=com"
STAFF, HIDDEN, SALES, PAYROLL = (f"OU={name},{ROOT}" for name in ("Staff", "Hidden", "Sales", "Payroll"))
AGENT, PROBE, BLIND = "provAgentgMSA$", "probe", "blind"
JANE = f"CN=Doe\\, Jane,{STAFF}"
BOB = f'CN=O\'Brien \\"Bob\\" \\<x\\>,{STAFF}'
UMLAUT = f"CN=Jürgen Müller-Łódź 山田,{STAFF}"
VERA = f"CN=Vera Hidden,{HIDDEN}"
PAT = f"CN=Pat Payroll,{PAYROLL}"
GROUP = f"CN=Cloud Sync Users,{STAFF}"
PASSWORD = "Sync!pass4you"
DEAD, LOST, IMPOSTOR = f"dead.{REALM}", f"lost.{REALM}", f"dc9.{REALM}"
"""Nothing listens there; nobody is there; another machine answers to the name."""


@dataclass
class Names:
    """Where names lead: what a name server of the house would say."""

    held: dict[str, str]
    services: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str) -> Resolved:
        found = self.held.get(host)
        return Resolved((host,), (found,) if found else (), "ok" if found else "nxdomain")

    async def servers_of(self, service: str) -> tuple[str, ...]:
        self.asked.append(service)
        return self.services


@dataclass
class SambaSite:
    domain: SambaDomain
    folder: Path
    sids: dict[str, str] = field(default_factory=dict)
    _second: SambaController | str | None = None
    _forest: Any = None

    @property
    def names(self) -> Names:
        controllers = {each.host: each.address for each in self.domain.controllers}
        first = self.domain.first.address
        return Names(controllers | {DEAD: f"{first.rpartition('.')[0]}.1", LOST: "10.213.77.99", IMPOSTOR: first})

    def settings(self, **changes: Any) -> DirectorySettings:
        asked = DirectorySettings(
            domain=REALM,
            controllers=(self.domain.first.host,),
            ca=self.domain.ca,
            user=f"{PROBE}@{REALM}",
            password=self.password(PASSWORD),
        )
        return replace(asked, **changes)

    def password(self, text: str) -> Path:
        path = self.folder / f"password-{len(text)}"
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return path

    @property
    def as_administrator(self) -> dict[str, Any]:
        return {"user": self.domain.administrator, "password": self.password(self.domain.password)}

    def reach(
        self, *, memory: ContainerMemory | None = None, names: Names | None = None, step: float = 1.0, **changes: Any
    ) -> ProbeReach:
        names = names or self.names
        domain = DomainReach(
            self.settings(**changes), names, SystemClock(), system_trust, memory or ContainerMemory(), step=step
        )
        domain._forest = None if "attributes" in changes else self._forest  # the schema does not change between tests
        return ProbeReach((), Dialer(), names, Proxies(), SystemClock(), domain=domain)

    async def ask(self, check: str, args: Mapping[str, str] | None = None, **changes: Any) -> Observed:
        reach = self.reach(**changes)
        seen = await CHECKS[check].run(reach, args or {})
        self._forest = self._forest or ("attributes" not in changes and reach.domain and reach.domain._forest) or None
        return seen

    def write(self, act: Callable[[Any], bool], *, at: SambaController | None = None) -> None:
        """As the administrator, at the first controller."""
        with self.signed_in(self.domain.administrator, self.domain.password, at=at) as connection:
            assert act(connection), connection.result

    @contextmanager
    def signed_in(self, user: str, password: str, *, at: SambaController | None = None) -> Iterator[Any]:
        server = ldap3.Server((at or self.domain.first).address, port=389, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, user, password, auto_bind=ldap3.AUTO_BIND_NO_TLS, auto_referrals=False, check_names=False
        )
        try:
            yield connection
        finally:
            connection.unbind()

    def deny(self, dn: str, sddl: str) -> None:
        run_apart(self.domain.tool("dsacl", "set", f"--objectdn={dn}", f"--sddl={sddl}"))

    def second(self) -> SambaController:
        """A controller that knows what there was when the first test asked for it, and learns nothing more."""
        if self._second is None:
            try:
                self._second = run_apart(self.domain.join())
            except SambaError as error:
                self._second = str(error)
        if isinstance(self._second, str):
            pytest.skip(f"no second controller: {self._second}")
        return self._second


_LOOP = ThreadPoolExecutor(1, thread_name_prefix="samba")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Away from the loop of the test that waits for it."""
    return _LOOP.submit(asyncio.run, work).result()


def needs_samba() -> None:
    """For the top of a file of tests: they are skipped as one, with the reason."""
    reason = why_not()
    if reason:
        pytest.skip(f"no real Active Directory here: {reason}", allow_module_level=True)


@contextmanager
def samba_site(folder: Path) -> Iterator[SambaSite]:
    runner = asyncio.Runner()
    life = samba_domain(folder)
    domain = _LOOP.submit(runner.run, life.__aenter__()).result()
    try:
        site = SambaSite(domain, folder)
        site.write(lambda connection: _populated(site, connection))
        for dn, sddl in _closed(site):
            site.deny(dn, sddl)
        yield site
    finally:
        _LOOP.submit(runner.run, life.__aexit__(None, None, None)).result()
        _LOOP.submit(runner.close).result()


def _populated(site: SambaSite, connection: Any) -> bool:
    for dn in (STAFF, HIDDEN, SALES, PAYROLL):
        _add(connection, dn, "organizationalUnit")
    jane = {"sAMAccountName": "jdoe", "userPrincipalName": f"jdoe@{REALM}", "mail": "jane.doe@contoso.com"}
    jane |= {"displayName": "Jane Doe", "givenName": "Jane", "sn": "Doe", "employeeID": "4711", "department": "R&D"}
    jane |= {"mS-DS-ConsistencyGuid": bytes(range(16))}
    addresses = {"proxyAddresses": ["SMTP:jane.doe@contoso.com", "smtp:jd@contoso.com", "X500:/o=Org/cn=jd"]}
    _user(connection, JANE, jane | addresses)
    _user(
        connection, BOB, {"sAMAccountName": "obrien", "userPrincipalName": f"o'brien@{REALM}", "displayName": 'Bob "x"'}
    )
    _user(connection, UMLAUT, {"sAMAccountName": "jmueller", "displayName": "Jürgen Müller-Łódź 山田"})
    for n in (1, 2):
        _user(connection, f"CN=Pat Smith {n},{STAFF}", {"sAMAccountName": f"psmith{n}", "displayName": "Pat Smith"})
    for n in range(12):
        _user(connection, f"CN=Temp {n},{SALES}", {"sAMAccountName": f"temp{n}", "displayName": "Temp Worker"})
    _user(connection, VERA, {"sAMAccountName": "vera", "displayName": "Vera Hidden"})
    _user(connection, PAT, {"sAMAccountName": "ppay", "displayName": "Pat Payroll", "mail": "pat@contoso.com"})
    _user(connection, f"CN=Gone Person,{STAFF}", {"sAMAccountName": "gone", "displayName": "Gone Person"})
    assert connection.delete(f"CN=Gone Person,{STAFF}")
    for name in (PROBE, BLIND):
        _user(connection, f"CN={name},CN=Users,{ROOT}", {"sAMAccountName": name}, password=PASSWORD)
    agent = f"CN=provAgentgMSA,CN=Managed Service Accounts,{ROOT}"
    connection.add(f"CN=Managed Service Accounts,{ROOT}", "container")
    _add(
        connection, agent, "msDS-GroupManagedServiceAccount",
        {"sAMAccountName": AGENT, "userAccountControl": 4096, "msDS-ManagedPasswordInterval": 30,
         "userPrincipalName": f"agent@{REALM}", "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le")},
    )  # fmt: skip
    inner, outer = f"CN=Inner,{STAFF}", f"CN=No Payroll,{STAFF}"
    _add(connection, inner, "group", {"sAMAccountName": "inner", "member": agent})
    _add(connection, outer, "group", {"sAMAccountName": "no-payroll", "member": inner})
    _add(connection, GROUP, "group", {"sAMAccountName": "cloudsync", "member": [JANE, UMLAUT]})
    for name in (AGENT, PROBE, BLIND, "no-payroll"):
        connection.search(ROOT, f"(sAMAccountName={name})", attributes=["objectSid"])
        site.sids[name] = sid_text(connection.response[0]["raw_attributes"]["objectSid"][0])
    return True


def _closed(site: SambaSite) -> Iterator[tuple[str, str]]:
    """The agent may not list Hidden; of Pat in Payroll a group around it may not read the public information.

    On Pat's own list: what a container denies weighs less than what an object itself allows.
    """
    yield HIDDEN, f"(D;CI;RPLCLO;;;{site.sids[AGENT]})"
    public = "e48d0154-bcf8-11d1-8702-00c04fb96050"
    yield PAT, f"(OD;;RP;{public};;{site.sids['no-payroll']})"
    yield SALES, f"(D;CI;LC;;;{site.sids[BLIND]})"


def _user(connection: Any, dn: str, more: dict[str, Any], *, password: str | None = None) -> None:
    secret = {"unicodePwd": f'"{password}"'.encode("utf-16-le"), "userAccountControl": 512} if password else {}
    _add(connection, dn, "user", more | secret)


def _add(connection: Any, dn: str, kind: str, attributes: dict[str, Any] | None = None) -> None:
    assert connection.add(dn, kind, attributes), (dn, connection.result)
