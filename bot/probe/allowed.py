"""Every check that this probe can make, written out: the closed table that a request is looked up in."""

from collections.abc import Awaitable, Callable

from bot.probe.checks.clock import clock
from bot.probe.checks.dns import dns
from bot.probe.checks.host import host
from bot.probe.checks.proxy import proxy
from bot.probe.checks.revocation import revocation
from bot.probe.checks.tcp import tcp
from bot.probe.checks.tls import tls
from bot.probe.checks.websocket import websocket
from bot.probe.reach import Observed, ProbeReach

Check = Callable[[ProbeReach], Awaitable[Observed]]

CHECKS: dict[str, Check] = {
    "dns": dns,
    "tcp": tcp,
    "tls": tls,
    "revocation": revocation,
    "websocket": websocket,
    "clock": clock,
    "proxy": proxy,
    "host": host,
}

NOT_HERE = (
    "services",
    "agent",
    "eventlog",
    "trace",
    "gmsa",
    "directory",
    "control",
    "containers",
    "controllers",
    "acl",
)
"""Checks of the contract that this version of the probe cannot make."""
