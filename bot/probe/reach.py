"""What a check may use, and what it answers with."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bot.clock import Clock
from bot.probe.checks.dns_wire import Resolved
from bot.probe.dialing import CONNECT_S, Dialer, ProxyAddress, parse_proxy
from bot.probe.directory.domain import DomainReach
from bot.probe.powershell import PowerShell
from bot.probe.targets import Target

T = TypeVar("T")
HOLD_S = 20.0
LONG_HOLD_S = 240.0
MOST_TEXT = 200
AT_ONCE = 16
MOST_NAMED = 3


class Resolver(Protocol):
    async def resolve(self, host: str) -> Resolved: ...


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that this server knows of, as URLs without name and password."""

    agent: str | None = None
    """Of the provisioning agent's own configuration file: the one way that the agent takes."""
    win_http: str | None = None
    environment: str | None = None

    @property
    def of_agent(self) -> ProxyAddress | None:
        return parse_proxy(self.agent)

    @property
    def of_system(self) -> ProxyAddress | None:
        return parse_proxy(self.win_http) or parse_proxy(self.environment)

    @property
    def any(self) -> ProxyAddress | None:
        return self.of_agent or self.of_system


def system_trust() -> ssl.SSLContext:
    """TLS as the agent's service sees it: what this system trusts, nothing below TLS 1.2."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Windows accepts what RFC 5280 forbids in details (a company CA without key usage); so must the test.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def no_trust() -> ssl.SSLContext:
    """To read what is shown, whoever shows it. Nothing that was read over it is believed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class ProbeReach:
    targets: tuple[Target, ...]
    dialer: Dialer
    resolver: Resolver
    proxies: Proxies
    clock: Clock
    trust: Callable[[], ssl.SSLContext] = system_trust
    within: float = CONNECT_S
    """Seconds for each single step: a handshake, an answer."""
    hold: float = HOLD_S
    """Seconds that a WebSocket is held."""
    powershell: PowerShell | None = None
    """What Windows is asked with; None on other systems."""
    domain: DomainReach | None = None
    """The way into Active Directory; None where no domain is known."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def each(self, some: Iterable[Target], ask: Callable[[Target], Awaitable[T]]) -> list[T]:
        """Asks all of them at once, within reason, and keeps their order."""

        async def in_turn(target: Target) -> T:
            async with self.turns:
                return await ask(target)

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(in_turn(target), name=f"ask {target.host}") for target in some]
        return [task.result() for task in asked]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a check saw. `ok` is None where it could not be run, and then `error` says why."""

    ok: bool | None
    data: Any
    error: str | None = None


def unreached(hosts: Iterable[tuple[str, str]]) -> str | None:
    """Hosts that no connection came up with, each with how it failed, in a few words."""
    by_outcome: dict[str, list[str]] = {}
    for host, outcome in hosts:
        by_outcome.setdefault(outcome, []).append(host)
    told = [
        f"{', '.join(names) if len(names) < MOST_NAMED else f'{len(names)} hosts'}: {outcome}"
        for outcome, names in by_outcome.items()
    ]
    return "; ".join(told) or None


def short(text: str) -> str:
    """Text from afar, made harmless to print and bounded."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:MOST_TEXT].strip()
