"""The cards of every answer, against golden files, and what is promised of each whatever the directory says.

`GOLDEN=write pytest tests/skills/test_views.py` writes the golden files anew; read the difference before it is kept.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import frozen
import pytest

from bot.answering import About, Answer, May, Offer, Outcome
from bot.cards import talk
from bot.cards.elements import Element, Tone, with_buttons
from bot.cards.fitting import size
from bot.cards.plain import plain
from bot.clock import VirtualClock
from bot.diagnosis import Certainty
from bot.evidence import Missing, Record, Source
from bot.identifiers import identify
from bot.intents import Slots
from bot.offers import OfferBook
from bot.turns import ChatKind, Place
from skills.acts import ACTIONS
from skills.acts.staged import Staged, StagedDeletes
from skills.catalogue import catalogue
from skills.codes import Code
from skills.collectors.held_deletions import HeldDeletions, HeldList
from skills.facts.jobs import Jobs
from skills.facts.log import Attempts, RecentRows, SubjectRows
from skills.facts.subject import Candidate, Subject
from skills.facts.tenant import Agents, ConfigurationChanges
from skills.next_act import next_act
from skills.verdict import State, Verdict
from skills.views.agents import listed_agents, seen_servers
from skills.views.codes import code_card
from skills.views.held_deletions import held_answer
from skills.views.help import acts_help, help_answer, probes_help
from skills.views.lists import changes_answer, errors_answer
from skills.views.logs import logs_answer
from skills.views.masking import masked
from skills.views.plainly import plain_card
from skills.views.status import jobs_list
from skills.views.verdict import offers_of, verdict_card
from skills.views.what_is_a_probe import about_probes
from skills.views.words import STATE_WORDS
from tests.card_schema.hostile import EVERYTHING, HOSTILE, LEAKS, LONG
from tests.card_schema.promises import broken_promises, strings, visible

GOLDEN = Path(__file__).parents[1] / "golden"
WRITE = os.environ.get("GOLDEN") == "write"
ASKER = "Alex Admin"
CODE = Code(
    "ContosoUnheardOf",
    "row",
    "Two objects want the same value.",
    "identity admin",
    ("Find the other one.", "Decide who keeps it."),
    "match-dup-proxy",
    (),
    None,
)
SEEN = (Source("graph:jobs", True, frozen.AT, 150), 12, 42)


def full(verdict: Verdict, asked: str = "why isn't jdoe syncing", listed: list[Element] | None = None) -> Element:
    return verdict_card(verdict, ASKER, offers_of(verdict, asked), listed or [])


def logs(rows: SubjectRows | Missing, **ask: Any) -> Answer:
    facts = {SubjectRows: rows, Attempts: frozen.NO_ATTEMPTS}
    return logs_answer(frozen.case("logs for jdoe", frozen.JANE, facts, **ask))


def errors(rows: RecentRows | Missing) -> Answer:
    return errors_answer(frozen.case("who failed today", frozen.TENANT, {RecentRows: rows}))


def held(text: str = "OU=Sales,DC=corp", *, lists: int = 1, complete: bool = True, rows: int = 5) -> Answer:
    """`text`: what the directory calls places and people."""
    gone = tuple(Staged(f"{n}", f"{text}{n}", f"CN={n},{text}", None, "user") for n in range(rows))
    job = next(each for each in frozen.JOBS.jobs if each.quarantine)
    one = HeldList(job, StagedDeletes(gone, complete), (f"{text} was moved, not deleted.",))
    facts = {HeldDeletions: HeldDeletions(Record("graph:jobs/-", frozen.AT), (one,) * lists)}
    return held_answer(frozen.case("held deletions", frozen.TENANT, facts, may=EVERY_ACT))


def changes(entries: ConfigurationChanges | Missing) -> Answer:
    return changes_answer(frozen.case("what changed", frozen.TENANT, {ConfigurationChanges: entries}))


EVERY_ACT = May(acts={action.op: action.approvers for action in ACTIONS})
HEIDI = May(frozenset({About.PERSON, About.NOTHING}), {"provision_on_demand": 0, "restore_user": 1}, alone=False)
CARDS: dict[str, Callable[[], Element]] = {
    **{name: (lambda verdict=verdict: full(verdict)) for name, verdict in frozen.VERDICTS.items()},
    "ambiguous-in-a-channel": lambda: full(masked(frozen.AMBIGUOUS)),
    **{
        f"helpdesk-{name}": (lambda verdict=verdict: plain_card(verdict, "Heidi Helpdesk"))
        for name, verdict in frozen.VERDICTS.items()
    },
    "own-blocked": lambda: plain_card(frozen.PROVEN, "Jane Doe", own=True),
    "own-fine": lambda: plain_card(frozen.FINE, "Jane Doe", own=True),
    "status": lambda: full(
        replace(frozen.PROVEN, subject=frozen.TENANT, trace=()),
        "is the sync running",
        jobs_list(frozen.JOBS, frozen.AT),
    ),
    "agents": lambda: full(frozen.WELL, "are the agents ok", [*listed_agents(evidence()), *seen_servers(evidence())]),
    "logs": lambda: logs(frozen.ROWS).card,
    "logs-in-a-channel": lambda: logs(frozen.ROWS, details=False).card,
    "logs-not-readable": lambda: logs(frozen.NO_LOG).card,
    "recent-errors": lambda: errors(frozen.RECENT).card,
    "changes": lambda: changes(frozen.CHANGES).card,
    "changes-not-readable": lambda: changes(frozen.NO_LOG).card,
    "code": lambda: code_card([("ContosoUnheardOf", CODE)]),
    "codes": lambda: code_card([("ContosoUnheardOf", CODE), ("Qxzzy", None)], more=2),
    "help": lambda: help_answer(frozen.case("help", frozen.TENANT)).card,
    "help-in-a-channel": lambda: help_answer(frozen.case("help", frozen.TENANT, may=HEIDI)).card,
    "help-own": lambda: help_answer(frozen.case("help", frozen.TENANT, may=May(frozenset({About.NOTHING})))).card,
    "help-acts": lambda: acts_help(frozen.case("help acts", frozen.TENANT, may=EVERY_ACT)).card,
    "help-acts-none": lambda: acts_help(frozen.case("help acts", frozen.TENANT)).card,
    "help-probes": lambda: probes_help(frozen.case("help probes", frozen.TENANT)).card,
    "what-is-a-probe": lambda: about_probes(frozen.case("what is a probe", frozen.TENANT)).card,
    "held": lambda: held().card,
    "held-by-several": lambda: held(lists=2, complete=False).card,
    "held-none": lambda: held(lists=0).card,
    "looking": lambda: talk.looking("why isn't jdoe syncing"),
    "looking-progress": lambda: talk.looking("why isn't jdoe syncing", [SEEN]),
    "refusal": lambda: talk.notice(
        "Not allowed",
        "Your role does not let you ask about servers or the whole tenant. "
        "You may ask about one person: why isn't jdoe syncing.",
        Tone.WARNING,
    ),
    "not-understood": lambda: talk.not_understood(["is the sync running", "why isn't jdoe syncing", "help"]),
}


def evidence() -> Any:
    return frozen.case("", frozen.TENANT, frozen.SITES).evidence


every_card = pytest.mark.parametrize("name", CARDS)
every_verdict = pytest.mark.parametrize("verdict", frozen.VERDICTS.values(), ids=frozen.VERDICTS)
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def same(path: Path, text: str) -> bool:
    if WRITE:
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8") == text


@every_card
def test_a_card_and_its_plain_twin_are_as_the_golden_files_have_them(name: str) -> None:
    shown = CARDS[name]()

    assert same(GOLDEN / f"{name}.json", json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    assert same(GOLDEN / f"{name}.txt", plain(shown))


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CARDS)


@every_card
def test_every_card_keeps_its_promises(name: str) -> None:
    assert broken_promises(CARDS[name]()) == []


@every_card
def test_the_first_line_of_a_card_and_of_its_twin_is_the_state_as_a_word(name: str) -> None:
    shown = CARDS[name]()

    assert plain(shown).splitlines()[0] == visible(shown)[0]
    assert visible(shown)[0].isupper()


# What stands where.


@every_verdict
def test_the_state_word_and_the_sentence_come_first(verdict: Verdict) -> None:
    assert visible(full(verdict))[:2] == [STATE_WORDS[verdict.state].upper(), verdict.headline]


@pytest.mark.parametrize("verdict", [frozen.PROVEN, frozen.LIKELY, frozen.SEVERAL, frozen.WAITING])
def test_the_first_screen_of_a_phone_holds_who_what_first_and_the_first_proof(verdict: Verdict) -> None:
    first = verdict.causes[0]
    screen = [text for text in visible(full(verdict)) if text][:8]
    lines = sum(-(-len(text) // PHONE) for text in screen)

    assert any(text.startswith("Who must move: ") for text in screen)
    assert f"First step: {first.finding.fix[0]}" in screen
    assert any(first.finding.because[0].says in text for text in screen)
    assert lines <= PHONE_LINES


PHONE, PHONE_LINES = 44, 26
"""Characters in a line, and lines, of what Teams leaves for a card at 390 × 844."""


def test_each_proof_names_its_source_and_its_time() -> None:
    proofs = [text for text in visible(full(frozen.PROVEN)) if text.startswith("• ")]

    assert proofs[0].endswith("(probe SRV-SYNC01, tcp, 09:30 UTC)")
    assert proofs[1].endswith("(sync job, 06:30 UTC)")
    assert len(proofs) == 3


def test_what_a_cause_explains_is_shown_beneath_it_and_not_as_a_second_cause() -> None:
    text = "\n".join(visible(full(frozen.PROVEN)))

    assert f"This explains: {catalogue()['agent-active-but-deaf'].title.rstrip('.')}" in text
    assert "Also in the way" not in text


def test_proof_records_ruled_out_and_undecided_are_there_and_folded() -> None:
    shown = full(frozen.PROVEN)
    seen, all_of_it = "\n".join(visible(shown)), plain(shown)

    for text in ("site:SRV-SYNC01/dns", "obj-wrong-dn", "gmsa-locked: probe SRV-SYNC02 is silent", "import failed"):
        assert text in all_of_it
        assert text not in seen
    assert "Other causes: 3 ruled out, 1 undecided" in seen


def test_a_source_that_could_not_be_read_is_named_with_its_reason() -> None:
    assert "Not read: agent list: the app lacks the permission" in plain(full(frozen.PROVEN)).replace("\n    ", " ")


def test_the_footer_tells_who_asked_how_old_the_data_is_and_what_to_quote() -> None:
    assert visible(full(frozen.FINE))[-1] == (
        "Asked by Alex Admin · took 1.8 s · data as of 20 Nov 2026 09:30 UTC · wrong? quote case 70a6519f"
    )


def test_where_the_log_was_read_its_delay_is_told_and_else_not() -> None:
    unread = tuple(replace(source, ok=False) for source in frozen.SOURCES)
    without = replace(frozen.FINE, sources=unread)

    assert "The provisioning log lags" in plain(full(frozen.FINE))
    assert "The provisioning log lags" in plain(logs(frozen.ROWS).card)
    assert "The provisioning log lags" not in plain(full(without))
    assert "The provisioning log could not be read" in "\n".join(visible(full(without)))
    assert "The provisioning log" not in "\n".join(visible(full(replace(frozen.FINE, sources=()))))


def test_every_time_is_absolute_with_its_zone() -> None:
    for make in CARDS.values():
        text = plain(make())
        assert " ago" not in text
        assert all(" UTC" in line for line in text.splitlines() if "last good cycle" in line)


def test_a_likely_cause_names_the_check_that_would_make_it_sure() -> None:
    text = plain(full(frozen.LIKELY))

    assert "Why we think so" in text
    assert "To be sure: Run `whysync probe check directory`" in text


@every_verdict
def test_every_button_has_words_to_type_instead(verdict: Verdict) -> None:
    text = plain(full(verdict))

    if verdict.subject.candidates:
        assert "ask with the user principal name or the objectGUID" in text
    else:
        assert "Or type: and now?" in text


@every_verdict
def test_looking_again_is_always_among_what_can_be_done(verdict: Verdict) -> None:
    offers = offers_of(verdict, "why isn't jdoe syncing")

    assert 1 <= len(offers) <= 5
    assert verdict.subject.candidates or offers[0] == Offer("Check again", "why isn't jdoe syncing")


def test_noise_is_not_what_was_seen() -> None:
    assert "performance counters" not in "\n".join(visible(full(frozen.FINE)))
    assert "performance counters" in plain(full(frozen.FINE))


def test_many_causes_are_told_by_three_and_a_count() -> None:
    causes = tuple(frozen.found(ident, f"cause {ident}") for ident in list(catalogue())[:40])
    text = "\n".join(visible(full(replace(frozen.PROVEN, causes=causes))))

    assert text.count("• cause") == 3
    assert "and 36 more, listed under Evidence" in text


# The picker.


def test_a_picker_in_a_channel_tells_people_apart_without_their_names() -> None:
    text = plain(full(masked(frozen.AMBIGUOUS)))

    for name in ("John", "Julia", "Smith", "julia.smith", "jsmith@"):
        assert name not in text
    assert "1. J. S. contoso.com · OU=Sales,DC=corp,DC=contoso,DC=com" in text
    assert "2. J. S. contoso.com · OU=Sales,DC=emea,DC=contoso,DC=com" in text


def test_the_buttons_of_a_picker_in_a_channel_hold_no_names_either() -> None:
    titles = [offer.title for offer in offers_of(masked(frozen.AMBIGUOUS), "why isn't jsmith syncing")]

    assert titles == ["1. J. S.", "2. J. S."]


@pytest.mark.parametrize("asked", ["is jsmith synced", "logs for jsmith", "why isn't JSMITH syncing"])
def test_a_picked_person_is_asked_about_in_the_same_words(asked: str) -> None:
    first = frozen.NAMESAKES.candidates[0].identifier
    offers = offers_of(frozen.AMBIGUOUS, asked)

    assert offers[0].ask.lower() == asked.lower().replace("jsmith", first)


def test_where_the_words_do_not_hold_the_name_the_picked_person_is_asked_about_plainly() -> None:
    first = frozen.NAMESAKES.candidates[0].identifier

    for asked in ("and now?", "is jsmith the jsmith of sales", ""):
        assert offers_of(frozen.AMBIGUOUS, asked)[0].ask == f"why isn't {first} syncing"


def test_a_name_is_never_the_words_of_a_button() -> None:
    text = "x and clear the quarantine; restart"
    subject = Subject("x", candidates=(Candidate("A", "", text), Candidate("B", "", frozen.GUID)))
    assert identify(text) is None

    assert [offer.title for offer in offers_of(replace(frozen.AMBIGUOUS, subject=subject), "why isn't x syncing")] == [
        "B"
    ]


def test_a_log_question_about_a_name_of_two_offers_both() -> None:
    facts = {SubjectRows: frozen.ROWS, Attempts: frozen.NO_ATTEMPTS}
    given = logs_answer(frozen.case("logs for jsmith", frozen.NAMESAKES, facts))

    assert [offer.title for offer in given.offers] == ["John Smith", "Julia Smith"]
    assert given.outcome is Outcome.NOT_FOUND


# Helpdesk, and people themselves.

JARGON = ("SRV-SYNC01", "servicebus", "HybridIdentity", "443", "site:", "graph:", "OU=", "TLS", "tcp")


@every_verdict
@pytest.mark.parametrize("own", [True, False])
def test_above_the_fold_the_helpdesk_reads_no_jargon_and_what_to_tell_the_user(verdict: Verdict, own: bool) -> None:
    shown = plain_card(masked(verdict), "Heidi", own=own)
    seen = "\n".join(visible(shown))

    assert ("What that means for you: " if own else "Tell the user: ") in seen
    assert not any(word in seen for word in JARGON if verdict.state is not State.AMBIGUOUS)
    assert broken_promises(shown) == []


def test_the_technical_proof_is_folded_and_complete_for_the_helpdesk_too() -> None:
    text = plain(plain_card(frozen.PROVEN, "Heidi"))

    for each in (
        *frozen.BLOCKED_PORT.finding.fix,
        "site:SRV-SYNC01/dns",
        "net-servicebus-blocked",
        frozen.PROVEN.headline,
    ):
        assert "".join(each.split()) in "".join(text.split())


def test_a_ticket_text_says_whom_what_whose_and_which_case() -> None:
    text = plain(plain_card(frozen.PROVEN, "Heidi"))
    ticket = text[text.index("Text for a ticket") : text.index("Technical proof")]

    for part in (
        "jdoe@contoso.com",
        "net-servicebus-blocked",
        "network admin",
        "case 70a6519f",
        "20 Nov 2026 09:30 UTC",
    ):
        assert part in ticket


def test_every_owner_of_a_cause_has_words_for_the_user() -> None:
    for ident in catalogue():
        verdict = replace(frozen.PROVEN, causes=(frozen.found(ident, "so it is"),))
        assert "Tell the user: " in plain(plain_card(verdict))


# Lists.


def test_attribute_values_are_shown_only_where_they_may_be() -> None:
    assert "jane@contoso.com" in plain(logs(frozen.ROWS).card)
    assert "jane@contoso.com" not in plain(logs(frozen.ROWS, details=False).card)


@pytest.mark.parametrize("given", [logs(frozen.NO_LOG), errors(frozen.NO_LOG), changes(frozen.NO_LOG)])
def test_a_list_that_cannot_be_read_says_whose_it_is_to_open_it(given: Answer) -> None:
    assert given.outcome is Outcome.CANNOT_TELL
    assert given.document["settle"]["who"] == "identity admin"
    assert "ProvisioningLog.Read.All" in plain(given.card)
    assert broken_promises(given.card) == []


def test_ten_thousand_failures_are_a_count() -> None:
    rows = tuple(frozen.row(n, f"user{n}", **frozen.REFUSED) for n in range(10_000))
    own = logs(SubjectRows(rows[0].record, rows, frozen.AT))
    everybody = errors(RecentRows(rows[0].record, rows, frozen.AT))

    assert "10000 log rows" in plain(own.card)
    assert "9990 older rows are not shown" in plain(own.card)
    assert "10000 objects failed" in plain(everybody.card)
    assert broken_promises(own.card) + broken_promises(everybody.card) == []


def test_many_codes_are_told_by_five_and_a_count() -> None:
    rows = tuple(frozen.row(n, errorCode=f"Code{n}", reason="?") for n in range(30))

    assert "and 25 more codes" in plain(errors(RecentRows(rows[0].record, rows, frozen.AT)).card)


def test_what_runs_badly_stands_above_what_runs_well() -> None:
    many = Jobs(Record("graph:jobs/-", frozen.AT), (*(frozen.job(f"d{n}.com") for n in range(40)), frozen.QUARANTINED))
    lines = visible({"body": jobs_list(many, frozen.AT)})

    assert lines[1] == (
        "emea.contoso.com, users and groups: quarantine (TooManyDeletes), next try 20 Nov 12:30 UTC, "
        "last good cycle 20 Nov 09:28 UTC"
    )
    assert lines[-1] == "and 29 more jobs, none worse off than these"
    assert len(lines) == 14


# Whatever the directory says.


def worst(text: str) -> list[Element]:
    """Every card with this text wherever something from outside can stand, and as much of it as there can be."""
    cause = [
        frozen.found(
            ident,
            text,
            *[frozen.because(f"site:{text}/tcp", text)] * 12,
            fix=(text,) * 9,
            certainty=Certainty.LIKELY if number % 2 else Certainty.PROVEN,
        )
        for number, ident in enumerate(list(catalogue())[:40])
    ]
    subject = Subject(text, upn=text, object_guid=frozen.GUID, name=text)
    many = Subject(text, candidates=tuple(Candidate(text, text, frozen.GUID) for _ in range(60)))
    verdict = replace(
        frozen.PROVEN,
        subject=subject,
        headline=text,
        causes=tuple(cause),
        also=tuple(cause),
        sources=tuple(Source(f"graph:{text}{n}", False, frozen.AT, 1, f"{n} {text}") for n in range(60)),
        undecided=tuple((ident, f"{n} {text}") for n, ident in enumerate(list(catalogue())[:60])),
        ruled_out=tuple(catalogue()),
        explained={cause[0].id: tuple(list(catalogue())[:30])},
        configuration=text,
        reach=replace(frozen.PROVEN.reach, of=text) if frozen.PROVEN.reach else None,
    )
    picker = replace(frozen.AMBIGUOUS, subject=many, headline=text)
    rows = tuple(frozen.row(n, text, errorCode=text, reason=text) for n in range(60))
    agents = [replace(each, machine=text, groups=(text,) * 9) for each in frozen.AGENTS.agents * 30]
    facts = frozen.SITES | {Agents: Agents(frozen.AGENTS.record, tuple(agents))}
    seen = frozen.case(text, subject, facts).evidence
    slots = Slots(codes=(text,) * 5)
    return [
        verdict_card(verdict, text, offers_of(verdict, text)),
        verdict_card(replace(verdict, causes=(), state=State.CANNOT_TELL, settle=frozen.CANNOT_TELL.settle), text),
        verdict_card(picker, text, offers_of(picker, text)),
        verdict_card(masked(picker), text, offers_of(masked(picker), text)),
        plain_card(verdict, text),
        plain_card(picker, text, own=True),
        verdict_card(verdict, text, (), [*listed_agents(seen), *seen_servers(seen)]),
        verdict_card(verdict, text, (), jobs_list(Jobs(Record("graph:jobs/-"), (frozen.job(text),) * 40), frozen.AT)),
        logs_answer(
            frozen.case(
                text,
                subject,
                {SubjectRows: SubjectRows(rows[0].record, rows, frozen.AT), Attempts: frozen.NO_ATTEMPTS},
            )
        ).card,
        errors(RecentRows(rows[0].record, rows, frozen.AT)).card,
        changes(replace(frozen.CHANGES, entries=tuple(frozen.entry(1, text) for _ in range(60)))).card,
        code_card([(code, None) for code in slots.codes], more=2),
        held(text, lists=9, rows=60).card,
    ]


@hostile
def test_no_card_breaks_a_promise_whatever_the_directory_says(text: str) -> None:
    place = Place("k", ChatKind.CHANNEL, "t", None, {})
    book = OfferBook(VirtualClock(frozen.AT))
    for shown in worst(text):
        made = with_buttons(shown, [book.button(Offer(text, text), place) for _ in range(5)])
        assert broken_promises(made) == []
        assert not any(leak in string for leak in LEAKS for string in strings(made))


def test_the_answer_itself_survives_a_world_that_floods_its_card() -> None:
    shown = worst(EVERYTHING + LONG)[0]
    seen = visible(shown)

    assert size(shown) < 20_000
    assert seen[0] == "BLOCKED"
    assert any(text.startswith("Who must move: ") for text in seen)
    assert any(text.startswith("First step: ") for text in seen)
    assert "data as of 20 Nov 2026 09:30 UTC" in seen[-1]


@pytest.mark.parametrize(
    ("cause", "offered"), [("cloud-user-soft-deleted", ["Restore the account"]), ("cloud-sync-account-missing", [])]
)
def test_only_an_account_that_was_asked_about_is_offered_to_be_restored(cause: str, offered: list[str]) -> None:
    first = frozen.PROVEN.causes[0]
    other = replace(first, rule=replace(first.rule, id=cause), finding=replace(first.finding, action="restore_user"))

    shown = next_act(replace(frozen.PROVEN, causes=(other,)), EVERY_ACT, "jdoe")

    assert [each.title for each in shown] == offered
