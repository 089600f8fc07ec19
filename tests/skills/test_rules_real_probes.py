"""What the rules make of the answers of real probes, which leave out what they may not see: absence blames nobody."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import (
    GMSA,
    HEALTHY,
    NOW,
    PROBE,
    SERVICE_BUS,
    TENANT,
    Change,
    ad_data,
    agents,
    attempt_missing,
    attempts,
    cloud,
    deaf,
    host,
    known_good,
    subject,
    subject_rows,
    traces,
)

from bot.diagnosis import Certainty, Kind, Rule, diagnose
from bot.evidence import Evidence, Fact, Missing, SourceError
from bot.probe.agent_files import LocalAgent
from bot.probe.checks.agent import AgentFiles, read_agent
from bot.probe.checks.eventlog import read_events
from bot.probe.checks.gmsa import read_gmsa
from bot.probe.checks.host_windows import read_host
from bot.probe.checks.services import read_services
from bot.probe.reach import Observed
from bot.relay.client import CheckAnswer, ProbeContact
from infra.local.configurations import TENANT_ID
from infra.local.healthy_site import site as healthy_site
from infra.local.people import CORP
from skills.collectors.site import ad_account
from skills.facts import site as facts
from skills.facts.site import SiteFact, site_fact
from skills.facts.subject import AdAccount
from skills.rules import RULES, TENANT_RULES

EVERY = tuple({id(each): each for each in (*RULES, *TENANT_RULES)}.values())
KINDS: dict[str, type[SiteFact[Any]]] = {
    each.check: each
    for each in vars(facts).values()
    if isinstance(each, type) and issubclass(each, SiteFact) and each.check
}
RECORDED = Path(__file__).parents[1] / "recorded" / "windows"
RECORDED_TENANT = "0f0f0f0f-1111-4222-8333-444444444444"
Path_ = tuple[str | int, ...]


def checks() -> dict[str, Any]:
    """What the probe of a site in good order tells, check by check."""
    told = healthy_site(PROBE, CORP, NOW, [ad_data()], known_good())["checks"]
    told = json.loads(json.dumps(told).replace(TENANT_ID, TENANT))
    return {name: answer["data"] for name, answer in told.items()}


class OneAnswer:
    """Probes of which one answers, always the same."""

    def __init__(self, answer: CheckAnswer) -> None:
        self.answer, self.probes = answer, self

    async def ask(self, *_: Any, **__: Any) -> tuple[CheckAnswer, ...]:
        return (self.answer,)

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return ()


async def seen(check: str, data: Any, ok: bool | None = True, error: str | None = None) -> Change:
    """The fact that comes of it, and of a look for the person what the look found."""
    answer = CheckAnswer(PROBE, check, ok, NOW, GMSA, data, error, agent_host=True)
    if ok is None:
        return {KINDS[check]: Missing(error or "not run")}
    found: Change = {KINDS[check]: site_fact(KINDS[check], [answer])}
    if check == "directory":
        try:
            found[AdAccount] = await ad_account.ask(subject(), OneAnswer(answer))  # type: ignore[arg-type]  # all it uses
        except SourceError as error_:
            found[AdAccount] = Missing(error_.reason)
    return found


async def healthy() -> Evidence:
    world = HEALTHY
    for check, data in checks().items():
        world |= await seen(check, data)
    return world


def blamed(world: Evidence, rules: tuple[Rule, ...] = EVERY) -> dict[str, Certainty]:
    """The causes that are found at all, explained by others or not, each with how sure it is."""
    found = diagnose(world, rules).found
    return {each.id: each.finding.certainty for each in found if each.rule.kind is not Kind.NOTE}


WORDS = (
    "Signed in as alex_fabrikam.com#EXT#@contoso.onmicrosoft.com",
    "The remote server returned an error: (401) Unauthorized.",
    "The wizard reports: domain credentials are invalid.",
    "MSI error 0x80070643",
    "Could not create SSL/TLS secure channel",
    "KDS may not be running on domain controller",
)
LOUD: Change = traces(*WORDS) | host(executionPolicy={"MachinePolicy": "AllSigned"}, edition="Server Core")
"""What would be a cause if the agent were not set up, said of one that is."""
WORLDS: dict[str, Change] = {
    "all is well": {},
    "the agent is deaf": deaf(),
    "no agent is assigned, and the set-up complained": deaf("HybridIdentityServiceNoAgentsAssigned") | agents() | LOUD,
    "no controller is found": deaf("HybridSynchronizationActiveDirectoryUnableToFindDomainController"),
    "provision on demand did not find the person": attempts(attempt_missing()),
    "nobody was ever synced": cloud(None) | subject_rows(),
}

# One thing at a time is not told.

EMPTY_IS_THE_FINDING = {("directory", "userPrincipalName", "attr-upn-missing")}
"""The probe tells an empty name as null, which is what this cause is."""


def places(data: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*path, key), "left out"
        if isinstance(key, str):
            yield (*path, key), "null"
        if isinstance(value, list):
            yield (*path, key), "empty"
        yield from places(value, (*path, key))


def without(data: Any, path: Path_, how: str) -> Any:
    changed = copy.deepcopy(data)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if how == "left out":
        del inner[path[-1]]
    else:
        inner[path[-1]] = None if how == "null" else []
    return changed


def concerned(check: str) -> tuple[Rule, ...]:
    kinds: set[type[Fact]] = {KINDS[check]} | ({AdAccount} if check == "directory" else set())
    return tuple(each for each in EVERY if any(kind in kinds for kind, _ in each.needs))


@pytest.mark.parametrize("change", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("check", checks())
async def test_what_one_check_does_not_tell_makes_nobody_guilty(check: str, change: Change) -> None:
    world, rules, data = await healthy() | change, concerned(check), checks()[check]
    before, wrong = blamed(world, rules), []
    for path, how in places(data):
        now = blamed(world | await seen(check, without(data, path, how)), rules)
        more = {each for each, certainty in now.items() if before.get(each) not in (certainty, Certainty.PROVEN)}
        excused = {cause for at, name, cause in EMPTY_IS_THE_FINDING if at == check and name == path[-1]}
        wrong += [(path, how, each) for each in more - excused]
    assert wrong == []


# The answers of Windows, as constructed until a server gave its own.


def parsed(name: str) -> dict[str, Observed]:
    text = (RECORDED / f"constructed-{name}.json").read_text(encoding="utf-8").replace(RECORDED_TENANT, TENANT)
    scripts = json.loads(text)["scripts"]
    program = scripts["agent"].get("output", {}).get("program")
    local = LocalAgent(Path(program), None, (SERVICE_BUS,)) if program else LocalAgent()
    readers = {
        "services": read_services,
        "host": read_host,
        "agent": lambda body: read_agent(body, AgentFiles(local)),
        "eventlog": read_events,
        "gmsa": read_gmsa,
    }
    return {
        check: read(scripts[check]["output"])
        if "output" in scripts[check]
        else Observed(None, None, scripts[check]["error"])
        for check, read in readers.items()
    }


async def of(name: str) -> Change:
    change: Change = {}
    for check, told in parsed(name).items():
        change |= await seen(check, told.data, told.ok, told.error)
    return change


SEEN_BROKEN = {
    "agent-cert-expired", "agent-dotnet-old", "agent-server-core", "agent-service-stopped", "agent-tls12-off",
    "gmsa-host-not-allowed", "gmsa-logon-right-missing",
}  # fmt: skip
BLAMED: dict[str, set[str]] = {
    "healthy-2022": set(),
    "habits": set(),
    "little-right": set(),
    "no-agent-dc": set(),
    "lost-account": {"gmsa-deleted-or-recreated", "gmsa-kds-missing"},
    "broken-2016": SEEN_BROKEN,
}
"""For an agent that is deaf: what these servers tell in so many words, and nothing that follows from their silence."""


def test_every_recording_has_its_row() -> None:
    assert {file.stem.removeprefix("constructed-") for file in RECORDED.glob("constructed-*.json")} == set(BLAMED)


@pytest.mark.parametrize("name", BLAMED)
async def test_a_recording_gives_the_causes_that_it_shows_and_no_other(name: str) -> None:
    world = await healthy() | deaf()
    assert set(blamed(world | await of(name))) - set(blamed(world)) == BLAMED[name]


@pytest.mark.parametrize("change", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("name", [name for name, causes in BLAMED.items() if not causes])
async def test_a_server_without_a_fault_or_without_rights_gives_no_cause(name: str, change: Change) -> None:
    own = await of(name)
    world = await healthy() | change
    told = {kind: fact for kind, fact in own.items() if kind not in change}
    now, before = blamed(world | told), blamed(world)
    assert {each for each in now if now[each] is Certainty.PROVEN or each not in before} <= set(before)


@pytest.mark.parametrize("name", [name for name, causes in BLAMED.items() if not causes])
@pytest.mark.parametrize("change", WORLDS.values(), ids=WORLDS)
async def test_a_recording_in_which_one_thing_more_is_unseen_gives_no_cause(name: str, change: Change) -> None:
    world = await healthy() | change | await of(name)
    for check, told in parsed(name).items():
        if told.ok is None:
            continue
        rules = concerned(check)
        before = blamed(world, rules)
        for path, how in places(told.data):
            now = blamed(world | await seen(check, without(told.data, path, how), told.ok, told.error), rules)
            assert set(now) <= set(before), (check, path, how)
