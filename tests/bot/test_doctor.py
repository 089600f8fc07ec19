"""A look at the bot itself: one dead thing never stops the rest, and each state of each part has its line."""

import asyncio
import importlib
import io
import os
import pkgutil
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

import bot.doctor
import skills.selftest
from bot.audit import Chain, LogSink
from bot.clock import SystemClock, VirtualClock
from bot.doctor import configured, keeping, keys, relaying, signing_in
from bot.doctor.findings import UNSEEN, Check, Group, Item, Line, State
from bot.doctor.parts import OwnParts
from bot.doctor.report import Report, examined
from bot.doctor.ruling import Ruling
from bot.doctor.terminal import ProgressLine, shown
from bot.evidence import SourceError
from bot.graph_errors import NotFound
from bot.people import Policy
from bot.relay.client import ProbeContact
from bot.relay.envelope import PrivateKey
from bot.settings import Settings
from bot.store import Unavailable
from bot.store.opening import open_store
from infra.local.tenant import TENANT_ID
from skills.acts import ACTIONS
from tests.bot.doctor_site import POLICY, PROBE, bearer, certificate, enrolled

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
THING = Item("thing", Group.STORE, "A thing")
ACTS = {each.op: each for each in ACTIONS}
DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"


def no_credential(_: Settings) -> Any:
    raise AssertionError("nobody signs in here")


# What a line says.


def test_a_line_that_costs_something_says_what_and_one_that_misses_says_what_to_do() -> None:
    for state, lost, fix in ((State.DEGRADED, "", ""), (State.MISSING, "", "do"), (State.MISSING, "that", "")):
        with pytest.raises(ValueError, match="nobody is told"):
            Line("thing", Group.STORE, "A thing", state, "It is so.", lost, fix)


def items() -> set[str]:
    """Every item that the code names."""
    found: set[str] = set()
    for package in (bot.doctor, skills.selftest):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name != "bot.doctor.command":
                found |= {
                    each.id for each in vars(importlib.import_module(module.name)).values() if isinstance(each, Item)
                }
    return found


def test_the_page_tells_of_every_line_and_of_no_other() -> None:
    told = set(re.findall(r"^\| `([\w.…-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    named = {"setting.…", "permission.…", "configuration.…", "probe.…"}
    assert told - {state.value for state in State} == items() | named


# All at once.


def check(look: Any, ident: str = "thing", within: float = 5.0) -> Check:
    return Check(replace(THING, id=ident, name=ident), look, "that is lost", within)


async def fine() -> Sequence[Line]:
    return [THING.ok("It works.")]


@pytest.mark.parametrize(
    "error",
    [
        SourceError("Graph is away."),
        Unavailable("The disk is full."),
        OSError(5, "Input/output error"),
        KeyError("x"),
        RuntimeError("Session is closed"),
    ],
)
async def test_a_look_that_fails_is_a_line_and_the_others_go_on(error: Exception) -> None:
    async def broken() -> Sequence[Line]:
        raise error

    report = await examined([check(broken, "dead"), check(fine)], SystemClock())
    assert [(line.name, line.state) for line in report.lines] == [("dead", State.DEGRADED), ("A thing", State.OK)]
    assert report.lines[0].lost == "that is lost"


async def test_a_look_that_hangs_ends_by_its_own_deadline() -> None:
    async def hangs() -> Sequence[Line]:
        await asyncio.Event().wait()
        return []

    async with asyncio.timeout(5):
        report = await examined([check(hangs, within=0.05), check(fine)], SystemClock())
    assert [line.state for line in report.lines] == [State.DEGRADED, State.OK]
    assert "within 0 s" in report.lines[0].says


async def test_all_looks_go_on_at_once_and_progress_names_those_that_are_left() -> None:
    both, told = asyncio.Barrier(2), []

    async def meets() -> Sequence[Line]:
        await both.wait()
        return [THING.ok("It works.")]

    async with asyncio.timeout(5):
        await examined([check(meets, "one"), check(meets, "two")], SystemClock(), lambda *left: told.append(left))
    assert [(len(going), every) for going, every in told] == [(1, 2), (0, 2)]


def test_whoever_cannot_see_the_bot_says_nothing_of_it() -> None:
    assert (UNSEEN.checks(), UNSEEN.wants_acts) == ((), False)


# In words.

BAD, HALF, GOOD = THING.missing("Gone.", "all", "Mend it."), THING.degraded("Old.", "some"), THING.ok("Works.")


@pytest.mark.parametrize(
    ("lines", "headline"),
    [
        ((GOOD, GOOD), "All 2 things are in order."),
        ((GOOD, HALF), "Nothing is missing; of 2 things 1 works only in part: some."),
        ((BAD, GOOD, HALF), "1 of 3 things is missing, 1 works only in part: all."),
        ((BAD, replace(BAD, lost="more")), "2 of 2 things are missing: all (1 more below)."),
        (
            (replace(HALF, lost="perhaps all"), HALF),
            "Nothing is missing; of 2 things 2 work only in part: some (1 more below).",
        ),
    ],
)
def test_the_headline_counts_and_names_the_first_cost(lines: tuple[Line, ...], headline: str) -> None:
    assert Report(AT, 0, lines).headline == headline


def test_a_state_is_a_word_and_its_colour_only_comes_beside_it() -> None:
    report = Report(AT, 2300, (BAD, HALF, GOOD))
    plain, coloured = (shown(report, colours=each) for each in (False, True))
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    assert [line.split()[0] for line in plain.splitlines() if line.startswith("  ") and line[2] != " "] == [
        "missing",
        "degraded",
        "ok",
    ]


def test_however_long_a_line_is_it_stays_within_eighty_columns() -> None:
    long = THING.missing("word " * 80, "https://example.com/" + "x" * 30, "cmd --flag " * 30)
    assert max(map(len, shown(Report(AT, 0, (long,)), colours=False).splitlines())) <= 80


@pytest.mark.parametrize("tty", [True, False])
def test_progress_is_for_terminals_alone(tty: bool) -> None:
    out = io.StringIO()
    out.isatty = lambda: tty  # type: ignore[method-assign]  # a terminal is nothing else to us
    line = ProgressLine(out)
    line([check(fine, "relay")], 3)
    line.clear()
    assert ("2 of 3 done; waiting for relay" in out.getvalue()) == tty
    assert tty or out.getvalue() == ""


# Who it is.


def test_what_a_token_claims_is_read_and_an_opaque_one_tells_nothing() -> None:
    told = signing_in.claims_of(bearer(frozenset({"User.Read.All"})))
    assert told is not None
    assert (told.roles, told.principal) == (frozenset({"User.Read.All"}), "5eef")
    for opaque in (None, "", "abc", "a.b.c", "a.e30.c", "..", "a." + "W10" + ".c"):
        assert signing_in.claims_of(opaque) is None


@pytest.mark.parametrize(("days", "state"), [(-1, State.MISSING), (20, State.DEGRADED), (300, State.OK)])
async def test_a_certificate_of_the_app_is_told_before_it_runs_out(days: int, state: State, tmp_path: Path) -> None:
    certificate(tmp_path, timedelta(days=days, hours=1))
    settings = Settings(app_credential=f"certificate:{tmp_path / 'server.pem'}")
    [line] = await signing_in.credential(settings, SystemClock())
    assert line.state is state


@pytest.mark.parametrize(("credential", "state"), [("managed_identity", State.OK), ("secret:x", State.DEGRADED)])
async def test_a_secret_is_worse_than_a_managed_identity(credential: str, state: State) -> None:
    [line] = await signing_in.credential(Settings(app_credential=credential), SystemClock())
    assert line.state is state


async def test_a_file_that_holds_no_certificate_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "app.pem"
    path.write_text("nothing", encoding="ascii")
    [line] = await signing_in.credential(Settings(app_credential=f"certificate:{path}"), SystemClock())
    assert line.state is State.MISSING


@dataclass
class Aged:
    age: float | None


@pytest.mark.parametrize(("hours", "state"), [(1, State.OK), (30, State.DEGRADED)])
async def test_the_age_of_teams_keys_is_that_of_the_running_bots(hours: float, state: State) -> None:
    [line] = await keys.teams(Settings(), Aged(hours * 3600))
    assert (line.state, f"{hours:.1f} h ago" in line.says) == (state, True)


# What is kept.


def at(path: Path, **more: Any) -> Settings:
    return Settings(store=f"sqlite:///{path}", app_tenant_id=TENANT_ID, **more)


async def test_the_audit_is_in_order_while_it_is_signed_and_not_after(tmp_path: Path) -> None:
    settings, clock = at(tmp_path / "a.sqlite3", signing_key="x"), VirtualClock(AT)
    async with open_store(settings.store) as store:
        [line] = await keeping.audit(settings, no_credential, store, clock)
        assert line.says == "Nothing has been recorded yet."
        chain = Chain(store, "one", clock, PrivateKey.generate(), LogSink())
        await chain.note("alex", "probe confirmed", "SRV", "done")
        await chain.sign_off(due_only=False)
        await clock.sleep(3600)
        [line] = await keeping.audit(settings, no_credential, store, clock)
        assert (line.state, line.says) == (State.OK, "1 records; last signed 20 Nov 09:30 UTC.")
        await chain.note("alex", "probe revoked", "SRV", "done")
        await clock.sleep(1000)
        [line] = await keeping.audit(settings, no_credential, store, clock)
        assert (line.state, line.says) == (State.DEGRADED, "2 records; since 20 Nov 10:30 UTC none was signed.")
        [line] = await keeping.audit(at(tmp_path / "a.sqlite3"), no_credential, store, clock)
        assert "no key to sign" in line.says


async def test_a_row_that_is_written_is_deleted_again(tmp_path: Path) -> None:
    settings = at(tmp_path / "s.sqlite3")
    async with open_store(settings.store) as store:
        [line] = await keeping.store(settings, no_credential, store, SystemClock())
        rows, _ = await store.scan("health", "ready")
    assert (line.state, rows) == (State.OK, [])


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder where this account may read and not write, whoever runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def _close(file: Path) -> None:
    file.chmod(0o444)
    file.parent.chmod(0o555)


async def test_a_store_that_may_only_be_read_is_missing(closed: Path) -> None:
    settings = at(closed / "s.sqlite3")
    async with open_store(settings.store):
        pass
    _close(closed / "s.sqlite3")
    own = os.geteuid()
    try:
        if own == 0:
            os.seteuid(65534)  # root may write whatever the modes say
        [line] = await keeping.store(settings, no_credential, None, SystemClock())
    finally:
        os.seteuid(own)
    assert line.state is State.MISSING
    assert "can only be read" in line.says
    assert "chown" in line.fix


# The probes.


@dataclass
class Seen:
    contact: ProbeContact | None

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return (self.contact,) if self.contact else ()

    async def ask(self, *_: Any, **__: Any) -> tuple[Any, ...]:
        return ()


HEARD = ProbeContact(PROBE, True, True, AT, version="0.1.0", skew_s=0)
CONTACTS: dict[str, tuple[ProbeContact | None, State, str]] = {
    "heard": (HEARD, State.OK, "heard over relay and HTTPS 09:30:00 UTC, version 0.1.0, clock +0 s"),
    "never heard": (None, State.MISSING, "it was never heard"),
    "silent": (replace(HEARD, relay=False, fallback=False), State.MISSING, "it is silent since 20 Nov 09:30 UTC"),
    "not over the relay": (replace(HEARD, relay=False), State.DEGRADED, "Not heard over the relay."),
    "old": (replace(HEARD, version="0.0.9"), State.DEGRADED, "Its version is too old."),
    "clock": (replace(HEARD, skew_s=-70), State.DEGRADED, "Its clock is wrong."),
}


@pytest.mark.parametrize(("contact", "state", "says"), CONTACTS.values(), ids=CONTACTS)
async def test_a_probe_as_the_running_bot_sees_it(
    contact: ProbeContact | None, state: State, says: str, tmp_path: Path
) -> None:
    settings = at(tmp_path / "p.sqlite3")
    await enrolled(settings.store)
    [line] = await relaying.probes(settings, no_credential, SystemClock(), None, Seen(contact))
    assert line.state is state
    assert says in line.says


async def test_no_probe_at_all_is_told_with_what_stays_unseen(tmp_path: Path) -> None:
    settings = at(tmp_path / "p.sqlite3")
    async with open_store(settings.store) as store:
        [line] = await relaying.probes(settings, no_credential, SystemClock(), store, Seen(None))
    assert (line.state, line.says) == (State.DEGRADED, "No probe is enrolled.")


# The policy.


@dataclass
class Groups:
    """A directory with so many people in each group that there is."""

    sizes: dict[str, int]
    calls: int = 0

    async def get(self, template: str, /, *, group: str, **_: Any) -> dict[str, Any]:
        if group not in self.sizes:
            raise NotFound("Microsoft Graph does not know this object.")
        return {"id": group, "value": [{"id": f"{group}-{number}"} for number in range(self.sizes[group])]}

    async def pages(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no list is read")


ADMINS, DESK = "a1e00000-0000-4000-8000-0000000000a1", "a1e00000-0000-4000-8000-0000000000a2"


@pytest.mark.parametrize(
    ("admins", "says"), [(3, "Enough people"), (2, "allow_deletes needs 2"), (1, "clear_quarantine")]
)
async def test_for_every_act_there_must_be_people_to_agree_beside_whoever_asks(admins: int, says: str) -> None:
    [line] = await Ruling(Settings(policy=POLICY), ACTS, Groups({ADMINS: admins, DESK: 1})).approvers()
    assert says in line.says
    assert (line.state is State.OK) == (admins == 3)


async def test_a_group_that_does_not_exist_is_named() -> None:
    [line] = await Ruling(Settings(policy=POLICY), ACTS, Groups({ADMINS: 3})).groups()
    assert (line.state, DESK in line.says, ADMINS in line.says) == (State.MISSING, True, False)


async def test_a_policy_file_that_changed_since_the_start_is_told() -> None:
    running = Policy.load(POLICY, ACTS)
    for policy, state in ((running, State.OK), (replace(running, read_only=True), State.DEGRADED)):
        first, *_ = await Ruling(Settings(policy=POLICY), ACTS, Groups({}), policy).file()
        assert first.state is state


async def test_a_setting_that_makes_the_bot_read_only_is_no_change_of_the_file_and_wants_no_acts() -> None:
    settings = Settings(policy=POLICY, read_only=True)
    running = replace(Policy.load(POLICY, ACTS), read_only=True)
    ruling = Ruling(settings, ACTS, Groups({}), running)
    assert (await ruling.file())[0].state is State.OK
    [line] = await ruling.approvers()
    assert line.says.startswith("WHYSYNC_READ_ONLY")
    for only_reads in (True, False):
        outside = OwnParts(
            settings.model_copy(update={"read_only": only_reads}), SystemClock(), Groups({}), ACTS, no_credential
        )
        assert outside.wants_acts is not only_reads


class NeverAnswers:
    async def __aenter__(self) -> "NeverAnswers":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def get_token(self, *_: str) -> Any:
        await asyncio.Event().wait()


async def test_an_entra_that_never_answers_is_not_taken_for_a_credential_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signing_in, "TOKEN_WITHIN", 0.05)
    [line] = await signing_in.sign_in(Settings(), lambda _: cast("Any", NeverAnswers()))
    assert line.says == "Microsoft Entra gave no token within 0 s."


def test_what_comes_from_afar_gives_a_terminal_no_orders() -> None:
    hostile = THING.missing("Configuration \x1b]0;owned\x07 \x1b[2J is \u202eoff.", "it \x9b31m costs", "do \rthat")
    report = Report(AT, 5, (hostile,))
    assert {each for each in shown(report, colours=False) if not each.isprintable()} == {"\n"}


# Settings.


def test_what_is_refused_is_left_out_and_named_once() -> None:
    given = {"WHYSYNC_PORT": "x", "WHYSYNC_POLCY": "y", "WHYSYNC_LOG_LEVEL": "DEBUG", "HOME": "/root"}
    settings, refused = configured.forgiving(given)
    assert (settings.port, settings.log_level) == (3978, "DEBUG")
    assert sorted(line.partition(":")[0] for line in refused) == ["WHYSYNC_POLCY", "WHYSYNC_PORT"]


@pytest.mark.parametrize(
    ("name", "safe"), [("WHYSYNC_PORT", True), ("WHYSYNC_GRAPH_URL", False), ("WHYSYNC_LOCAL", False)]
)
def test_nobody_is_asked_where_the_address_or_the_name_is_in_doubt(name: str, safe: bool) -> None:
    assert configured.safe_to_ask([f"{name}: wrong"]) is safe
