"""Every check that this probe can make, written out: the closed table that a request is looked up in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.probe.checks.acl import acl
from bot.probe.checks.agent import agent
from bot.probe.checks.clock import clock
from bot.probe.checks.containers import containers
from bot.probe.checks.control import control
from bot.probe.checks.controllers import controllers
from bot.probe.checks.directory import directory
from bot.probe.checks.dns import dns
from bot.probe.checks.eventlog import eventlog
from bot.probe.checks.gmsa import gmsa
from bot.probe.checks.host import host
from bot.probe.checks.proxy import proxy
from bot.probe.checks.revocation import revocation
from bot.probe.checks.services import services
from bot.probe.checks.tcp import tcp
from bot.probe.checks.tls import tls
from bot.probe.checks.trace import trace
from bot.probe.checks.websocket import websocket
from bot.probe.policy import LocalPolicy, RefusedPolicy
from bot.probe.reach import Observed, ProbeReach

Check = Callable[[ProbeReach], Awaitable[Observed]]
Args = Mapping[str, str]
CheckAbout = Callable[[ProbeReach, Args], Awaitable[Observed]]
"""Reads its arguments with a parser of its own before it looks at anything; refused ones are an answer that says so."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A check, and the names of the arguments that a request for it may carry."""

    run: CheckAbout
    args: frozenset[str] = frozenset()


def plain(check: Check) -> Operation:
    """One that takes no arguments."""

    async def run(reach: ProbeReach, _: Args) -> Observed:
        return await check(reach)

    return Operation(run)


def with_args(check: CheckAbout, *args: str) -> Operation:
    """One about objects: `with_args(directory, "kind", "text")`."""
    return Operation(check, frozenset(args))


CHECKS: dict[str, Operation] = {
    "dns": plain(dns),
    "tcp": plain(tcp),
    "tls": plain(tls),
    "revocation": plain(revocation),
    "websocket": plain(websocket),
    "clock": plain(clock),
    "proxy": plain(proxy),
    "host": plain(host),
    "services": plain(services),
    "agent": plain(agent),
    "eventlog": plain(eventlog),
    "trace": plain(trace),
    "gmsa": plain(gmsa),
    "directory": with_args(directory, "kind", "text"),
    "control": plain(control),
    "containers": with_args(containers, "dns"),
    "controllers": plain(controllers),
    "acl": with_args(acl, "dn"),
}

NOT_HERE: tuple[str, ...] = ()
"""Checks of the contract that this version of the probe cannot make."""

ON_WINDOWS = ("services", "agent", "eventlog", "trace", "gmsa")
"""Elsewhere there is nothing that these could look at."""

IN_DOMAIN = ("directory", "control", "containers", "controllers", "acl")
"""These need a domain that this machine belongs to, or that the policy file names."""


def permitted(policy: LocalPolicy) -> dict[str, Operation]:
    """What the local file leaves of the table. Raises RefusedPolicy where it names what is no check."""
    said = {"allow": policy.allow or (), "deny": policy.deny, "[limits.rate]": policy.limits.rates}
    known = {*CHECKS, *NOT_HERE}
    wrong = [
        f"{place}: {name[:40]!r} is no check"
        for place, names in said.items()
        for name in sorted(names)
        if name not in known
    ]
    if wrong:
        raise RefusedPolicy([*wrong, f"checks: {', '.join(sorted(known))}"])
    return {name: each for name, each in CHECKS.items() if policy.permits(name)}
