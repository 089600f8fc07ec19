"""`whysync probe check`: the checks and the rules on this machine alone, with no bot and no tenant."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from bot.clock import Clock
from bot.diagnosis import Diagnosis, diagnose
from bot.evidence import Evidence, Fact, Missing, Record, SourceError
from bot.probe.agent_files import LocalAgent
from bot.probe.allowed import CHECKS, IN_DOMAIN, NOT_HERE, ON_WINDOWS
from bot.probe.answers import Answer
from bot.probe.here import here
from bot.probe.policy import LocalPolicy, RefusedPolicy, load_policy, parse_tenant
from bot.probe.reach import HOLD_S, LONG_HOLD_S, ProbeReach
from bot.probe.recording import record
from bot.probe.report import Entry, Report
from bot.probe.runner import Runner
from bot.probe.targets import Role, Target, Targets, UnknownTarget
from bot.relay.client import CheckAnswer
from skills.facts import site
from skills.facts.site import SiteFact, site_fact
from skills.facts.tenant import Now
from skills.rules import TENANT_RULES

KINDS: tuple[type[SiteFact[Any]], ...] = (
    site.Dns,
    site.Tcp,
    site.Tls,
    site.Revocation,
    site.WebSocket,
    site.ServerClock,
    site.Proxy,
    site.Host,
    site.Services,
    site.AgentInstall,
    site.EventLog,
    site.Trace,
    site.Gmsa,
    site.Control,
    site.Containers,
    site.Controllers,
    site.Access,
)
NOT_BUILT = Missing("this version of the probe cannot look at it")
ONLY_WINDOWS = Missing("this can be looked at only on Windows")
NO_AGENT = Missing("no provisioning agent is installed on this machine")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    names: tuple[str, ...] = ()
    """Checks, hosts and roles of hosts, mixed; none means all."""
    policy: Path | None = None
    tenant: str | None = None
    long: bool = False
    record: Path | None = None
    """Where to keep what Windows answered."""
    scrub: bool = False


@dataclass(frozen=True)
class Machine:
    """The server that is being looked at."""

    name: str
    agent: LocalAgent
    reach: ProbeReach
    targets: Targets


async def this_machine(wanted: Wanted) -> Machine:
    """Raises RefusedPolicy."""
    policy = load_policy(wanted.policy) if wanted.policy else LocalPolicy()
    if wanted.tenant:
        policy = replace(policy, tenant=_tenant(wanted.tenant))
    found = await here(policy, hold=LONG_HOLD_S if wanted.long else HOLD_S)
    return Machine(socket.gethostname(), found.agent, found.reach, found.targets)


def _tenant(text: str) -> str:
    try:
        return parse_tenant(text)
    except ValueError as error:
        raise RefusedPolicy([f"--tenant: {error}"]) from error


def chosen(names: Iterable[str], known: Targets) -> tuple[tuple[str, ...], tuple[Target, ...]]:
    """The checks and the targets that the names mean. Raises RefusedPolicy for what is neither."""
    checks = [name for name in names if name in CHECKS or name in NOT_HERE]
    try:
        hosts = [target for name in names if name not in checks for target in known.named(name)]
    except UnknownTarget as error:
        raise RefusedPolicy([str(error), f"checks: {', '.join(CHECKS)}", f"roles: {', '.join(Role)}"]) from error
    return tuple(checks), tuple(hosts) or known.needed


def possible(reach: ProbeReach) -> tuple[str, ...]:
    """The checks that are worth trying on this machine: those about an object need one to be named."""
    idle = {*(() if reach.powershell else ON_WINDOWS), *(() if reach.domain else IN_DOMAIN)}
    return tuple(name for name, check in CHECKS.items() if name not in idle and not check.args)


async def run_checks(machine: Machine, names: Iterable[str], notes: TextIO, *, identity: str | None = None) -> Report:
    """Raises RefusedPolicy."""
    checks, hosts = chosen(tuple(names), machine.targets)
    checks = checks or possible(machine.reach)
    runner = Runner(replace(machine.reach, targets=hosts), identity=identity)

    def told(name: str, answer: Answer) -> None:
        notes.write(f"{name}: {_in_a_word(answer)} ({answer.took_ms / 1000:.1f} s)\n")
        notes.flush()

    answers = await runner.run_all(checks, told)
    evidence, diagnosis = judge(machine, answers)
    own = any(each.role is Role.SERVICE_BUS and not each.stand_in for each in hosts)
    return Report(
        machine.name,
        machine.reach.clock.now(),
        answers,
        evidence,
        diagnosis,
        remarks=(*machine.targets.remarks, *(() if machine.agent.installed else (f"{NO_AGENT.reason.capitalize()}.",))),
        own_bus_known=own,
    )


def _in_a_word(answer: Answer) -> str:
    return {True: "ok", False: "not all well", None: "could not be run"}[answer.ok]


def judge(machine: Machine, answers: Mapping[str, Answer]) -> tuple[Evidence, Diagnosis]:
    """The same rules as the bot's, on what one machine can see; what only the cloud knows stays open."""
    facts: dict[type[Fact], Fact | Missing] = {Now: _now(machine.reach.clock)}
    for kind in KINDS:
        facts[kind] = _fact(kind, machine, answers.get(kind.check))
    if not machine.agent.installed:
        facts[site.Host] = NO_AGENT  # what an agent would need of its server is no fault of a server that has none
    evidence = Evidence(facts)
    return evidence, diagnose(evidence, TENANT_RULES)


def _now(clock: Clock) -> Now:
    at = clock.now()
    return Now(Record("clock", at), at)


def _fact(kind: type[SiteFact[Any]], machine: Machine, answer: Answer | None) -> Fact | Missing:
    if answer is None:
        absent = kind.check in ON_WINDOWS and machine.reach.powershell is None
        return NOT_BUILT if kind.check in NOT_HERE else ONLY_WINDOWS if absent else Missing("not asked for")
    given = CheckAnswer(
        machine.name,
        kind.check,
        answer.ok,
        answer.at,
        answer.identity,
        answer.data,
        answer.error,
        machine.agent.installed,
    )
    try:
        return site_fact(kind, [given])
    except SourceError as error:
        return Missing(error.reason)


async def check(wanted: Wanted, entries: Mapping[str, Entry], out: TextIO, notes: TextIO, *, as_json: bool) -> None:
    """Raises RefusedPolicy: nothing was run."""
    if wanted.scrub and not wanted.record:
        raise RefusedPolicy(["--scrub: belongs to --record"])
    machine = await this_machine(wanted)
    if wanted.record:
        await record(machine.reach.powershell, machine.reach.clock, wanted.record, scrub=wanted.scrub)
        notes.write(f"recorded: {wanted.record}\n")
    report = await run_checks(machine, wanted.names, notes)
    out.write(json.dumps(report.as_json(entries)) + "\n" if as_json else report.as_text(entries))
