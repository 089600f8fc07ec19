"""Probes in chat: a token for one admin, a fingerprint typed by another, and nobody else moves anything.

`GOLDEN=write pytest tests/skills/test_probe_commands.py` writes the golden cards anew; read the difference.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from memory_references import MemoryReferences

from bot.announcing import ToTheInviter
from bot.answering import About, Answer, Ask, Command, Outcome
from bot.app import GRAMMAR, reach_of
from bot.cards.elements import Element
from bot.cards.plain import plain
from bot.clock import VirtualClock
from bot.conversation import NO_PRIVATE, PRIVATE, Conversation
from bot.enrolling import Enrolling, Invited, Revoked, Terms
from bot.graph import Graph
from bot.identifiers import SELF
from bot.intents import Slots, Understood
from bot.people import NotAllowed, People, Person, Policy, Role
from bot.relay.application import Token
from bot.relay.client import ProbeContact
from bot.relay.enrolment import TRIES, Inviting, apply, invite
from bot.relay.enrolments import ProbeRecord, StoredEnrolments
from bot.relay.envelope import EnrolledProbe, PrivateKey, Standing
from bot.relay.wire import ProbeIdentity, wall
from bot.store import Unavailable
from bot.turns import Place, Sender, SendRefused
from bot.understanding import Question, answered
from infra.local.graph import GraphServer
from infra.local.tenant import TENANT_ID, healthy_world
from infra.local.world import World
from skills.probes import OPS, PROBE_COMMANDS, fingerprint_in
from skills.questions import SKILLS
from skills.views import fleet
from tests.card_schema.hostile import HOSTILE, LEAKS
from tests.card_schema.promises import broken_promises, strings, visible
from tests.meeting import ALEX, AT, HEIDI, JANE, POLICY, SAM, Meeting, Recorder, Reply, channel, chat
from tests.relay.little_store import LittleStore

ONE, TWO, FLEET = (PrivateKey(bytes([seed]) * 32).public for seed in (1, 2, 9))
TERMS = Terms("https://whysync.contoso.com", TENANT_ID, FLEET, "ns.servicebus.windows.net")
HOST = "srv-sync01.corp.contoso.com"


@dataclass
class Contacts:
    known: tuple[ProbeContact, ...] = ()

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return self.known

    async def ask(self, *_: Any, **__: Any) -> tuple[Any, ...]:
        return ()


@dataclass
class Fleet:
    meeting: Meeting
    enrolling: Enrolling
    store: LittleStore
    probes: Contacts
    book: MemoryReferences = field(default_factory=MemoryReferences)

    async def say(self, who: Sender, text: str, place: Place | None = None, **more: Any) -> Reply:
        return await self.meeting.say(who, text, place or chat(who), **more)

    async def token(self, name: str = "SRV-SYNC01", who: Sender = ALEX) -> Token:
        reply = await self.say(who, f"enrol {name}")
        return token_in(reply.text)

    async def applied(self, name: str = "SRV-SYNC01", key: Any = ONE) -> str:
        """As `whysync probe enrol` does it; the fingerprint that the server then shows."""
        await self.enrolling.admit(apply(await self.token(name), HOST, key))
        return str(key.fingerprint)

    async def standing(self, name: str = "SRV-SYNC01") -> str:
        found = [each for each in await self.enrolling.list() if each.name.lower() == name.lower()]
        return found[0].probe.standing.value if found else "none"

    def spoken(self) -> str:
        return json.dumps([[each.text, each.card, each.place.key] for each in self.meeting.outlet.shown])


def token_in(text: str) -> Token:
    """The plain twin breaks a long word."""
    told = "".join(text.split())
    return Token.parse(told[told.index("whysync1.") :].partition("Whoever")[0].partition("Mind")[0])


@asynccontextmanager
async def opened(*, set_up: bool = True) -> AsyncIterator[Fleet]:
    world, clock, store, probes = World.parse(healthy_world(AT)), VirtualClock(AT), LittleStore(), Contacts()
    policy, book = Policy.load(POLICY), MemoryReferences()
    outlet = Recorder(clock.monotonic)
    announce = ToTheInviter(book, outlet, fleet.asks_to_join)
    enrolling = Enrolling(StoredEnrolments(store, TENANT_ID, clock), TERMS, clock, announce)

    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:

        def reach() -> Any:
            made = reach_of(graph, clock, probes)
            return replace(made, enrolment=enrolling) if set_up else made

        conversation = Conversation(SKILLS, GRAMMAR, People(policy, graph), policy, reach, clock)
        yield Fleet(Meeting(conversation, outlet, server, clock), enrolling, store, probes, book)


@pytest.fixture
async def site() -> AsyncIterator[Fleet]:
    async with opened() as made:
        yield made


# The whole way.


async def test_a_server_comes_into_service_by_two_admins_and_out_of_it_by_one(site: Fleet) -> None:
    fingerprint = await site.applied()
    assert await site.standing() == "waiting"
    told = await site.say(SAM, f"confirm SRV-SYNC01 {fingerprint}", channel())
    assert (told.state, await site.standing()) == ("CONFIRMED", "confirmed")
    told = await site.say(ALEX, "revoke SRV-SYNC01", channel())
    assert (told.state, await site.standing()) == ("REVOKED", "revoked")
    assert "enrol SRV-SYNC01" in told.text


async def test_enrolled_again_it_is_another_generation_and_the_old_key_stays_dead(site: Fleet) -> None:
    await site.applied()
    first = (await site.enrolling.list())[0].probe
    assert "that probe ends for ever" in (await site.say(ALEX, "enrol SRV-SYNC01")).text
    fingerprint = await site.applied(key=TWO)
    second = (await site.enrolling.list())[0].probe
    assert second.identity.gen != first.identity.gen
    assert second.dead == {first.key.kid}
    await site.say(SAM, f"confirm SRV-SYNC01 {fingerprint}")
    assert await site.standing() == "confirmed"
    with pytest.raises(Exception, match="dead-key"):
        await site.applied(key=ONE)


# The token.


async def test_a_token_asked_for_in_a_channel_goes_to_the_asker_alone(site: Fleet) -> None:
    reply = await site.say(ALEX, "enrol SRV-SYNC01", channel())
    assert reply.text.strip().endswith(PRIVATE)
    seen_there = [each for each in site.meeting.outlet.shown if each.place.key == channel().key]
    assert seen_there
    assert "whysync1." not in json.dumps([[each.text, each.card] for each in seen_there])
    private = [each for each in site.meeting.outlet.shown if each.place.key == chat(ALEX).key]
    card = private[-1].card
    assert card is not None
    assert broken_promises(card) == []
    assert token_in(plain(card)).probe == "SRV-SYNC01"


async def test_without_a_personal_chat_nobody_sees_the_token(site: Fleet) -> None:
    site.meeting.outlet.fails = lambda act, _: SendRefused("403") if act == "personal" else None
    assert NO_PRIVATE in " ".join((await site.say(ALEX, "enrol SRV-SYNC01", channel())).text.split())
    assert "whysync1." not in site.spoken()


async def test_the_answer_says_where_the_package_is_what_to_run_and_what_comes_next(site: Fleet) -> None:
    reply = await site.say(ALEX, "add a probe for SRV-X1")
    lines = visible(reply.card)
    assert lines[0] == "TOKEN"
    assert "docs/probe-install.md" in " ".join(lines)
    command = next(each for each in lines if each.startswith("whysync probe enrol whysync1."))
    token = Token.parse(command.removeprefix("whysync probe enrol "))
    assert (token.probe, token.tenant, token.url) == ("SRV-X1", TENANT_ID, TERMS.url)
    assert "confirm SRV-X1" in reply.text
    assert "whysync1." not in json.dumps([reply.card["speak"], reply.card["fallbackText"]])
    kept = await StoredEnrolments(site.store, TENANT_ID, site.meeting.clock).invitation(token.invitation)
    assert kept is not None
    assert kept.ops == OPS


async def test_a_follow_up_does_not_tell_the_token_again(site: Fleet) -> None:
    await site.say(ALEX, "enrol SRV-SYNC01")
    for text in ("what should I do", "why", "again"):
        assert "whysync1." not in (await site.say(ALEX, text)).text


# Confirming.


async def test_whoever_invited_does_not_confirm(site: Fleet) -> None:
    fingerprint = await site.applied()
    told = await site.say(ALEX, f"confirm SRV-SYNC01 {fingerprint}")
    assert (told.state, await site.standing()) == ("REFUSED", "waiting")
    assert "another admin" in told.text


@pytest.mark.parametrize(
    "spelt",
    [
        str.lower,
        lambda told: told.replace("-", ""),
        lambda told: told.replace("-", " "),
        lambda told: told.replace("-", "–"),
        lambda told: f"with fingerprint {told}",
    ],
)
async def test_a_fingerprint_counts_however_it_is_spelt(site: Fleet, spelt: Callable[[str], str]) -> None:
    fingerprint = await site.applied("SRV-DEAD")
    assert (await site.say(SAM, f"confirm srv-dead {spelt(fingerprint)}")).state == "CONFIRMED"


async def test_a_wrong_fingerprint_confirms_nothing_counts_and_asks_to_compare_again(site: Fleet) -> None:
    right = await site.applied()
    for _ in range(TRIES):
        told = await site.say(SAM, f"confirm SRV-SYNC01 {TWO.fingerprint}")
        assert (told.state, await site.standing()) == ("REFUSED", "waiting")
        assert "Both of you" in told.text
        assert right[:9] not in told.text
    assert (await site.enrolling.list())[0].bad_tries == TRIES
    told = await site.say(SAM, f"confirm SRV-SYNC01 {right}")
    assert (await site.standing(), "ten wrong fingerprints" in told.text) == ("waiting", True)


async def test_there_is_no_button_that_confirms_enrols_or_revokes(site: Fleet) -> None:
    fingerprint = await site.applied()
    said = ["enrol SRV-X1", "probes", f"confirm SRV-SYNC01 {fingerprint}", "revoke SRV-X1", "revoke SRV-SYNC01"]
    replies = [await site.say(SAM, each) for each in said]
    assert {title for reply in replies for title in reply.titles} <= {"Show the probes"}
    card = fleet.asks_to_join((await site.enrolling.list())[0])
    assert "actions" not in card


async def test_a_button_would_not_be_obeyed(site: Fleet) -> None:
    fingerprint = await site.applied()
    book = site.meeting.conversation._offers._offers  # the meaning of a button, as nothing of ours ever writes it
    for text in (f"confirm SRV-SYNC01 {fingerprint}", "revoke SRV-SYNC01", "enrol SRV-SYNC01"):
        reply = await site.say(SAM, "help")
        understood = GRAMMAR.understand(text)
        assert isinstance(understood, Understood)
        book.update({ident: replace(each, ask=text, understood=understood) for ident, each in book.items()})
        shown = await site.meeting.press(SAM, reply.titles[0], reply)
        assert "type it yourself" in json.dumps(shown)
    assert await site.standing() == "waiting"


@pytest.mark.parametrize("text", ["revoke SRV-SYNC01", "confirm SRV-SYNC01 {}", "enrol SRV-SYNC01"])
async def test_what_is_only_quoted_is_not_obeyed(site: Fleet, text: str) -> None:
    fingerprint = await site.applied()
    told = await site.say(SAM, "", quoted=text.format(fingerprint))
    assert (told.state, await site.standing()) == ("NOT FROM THERE", "waiting")


@pytest.mark.parametrize(
    "text",
    [
        "should I revoke SRV-SYNC01",
        "don't revoke SRV-SYNC01",
        "do not confirm SRV-SYNC01 {}",
        "shall I confirm SRV-SYNC01 {}?",
        "never enrol SRV-SYNC01",
        "what if we revoke SRV-SYNC01",
        "revoke SRV-SYNC01 SRV-SYNC02",
        "enrol SRV-X1 and SRV-X2",
        "revoke",
        "confirm SRV-SYNC01",
        "confirm {}",
    ],
)
async def test_what_is_not_said_plainly_is_not_done(site: Fleet, text: str) -> None:
    fingerprint = await site.applied()
    before = dict(site.store.rows)
    await site.say(SAM, text.format(fingerprint))
    assert site.store.rows == before


# Who may.


@pytest.mark.parametrize("who", [HEIDI, JANE])
@pytest.mark.parametrize(
    "text", ["enrol SRV-SYNC01", "confirm SRV-SYNC01 {}", "revoke SRV-SYNC01", "probes", "revoke my SRV-SYNC01"]
)
async def test_only_admins_see_or_move_probes(site: Fleet, who: Sender, text: str) -> None:
    fingerprint = await site.applied()
    before = dict(site.store.rows)
    told = await site.say(who, text.format(fingerprint))
    assert told.state == "NOT ALLOWED"
    assert site.store.rows == before
    assert HOST not in told.text


async def test_ones_own_account_gives_no_right_to_command() -> None:
    assert all(each.about is About.FLEET for each in PROBE_COMMANDS)
    async with opened() as site:
        for text in ("enrol me", "revoke me", "revoke my account"):
            assert (await site.say(JANE, text)).state != "TOKEN"
        assert await site.enrolling.list() == ()
        assert not site.store.rows


@pytest.mark.parametrize("intent", ["probe_list", "probe_enrol", "probe_confirm", "probe_revoke"])
async def test_a_command_that_names_oneself_is_still_a_command(intent: str) -> None:
    async def run(_: Question) -> str:
        return "done"

    reading = Understood(intent, Slots(who=(SELF,), host="SRV-SYNC01"), "")
    jane = Person("j", "Jane", frozenset({Role.SELF}))
    with pytest.raises(NotAllowed, match="role"):
        await answered(SKILLS, reading, jane, run)


async def test_where_nobody_signed_nothing_is_done(site: Fleet) -> None:
    """As at a terminal."""
    command = next(each for each in PROBE_COMMANDS if each.private and each.typed)
    ask = Ask("enrol SRV-SYNC01", "probe_enrol", Slots(host="SRV-SYNC01"), "")
    given = await command.run(ask, FakeReach(site))  # type: ignore[arg-type]  # as much of a reach as it uses
    assert (given.outcome, site.store.rows) == (Outcome.NOT_ALLOWED, {})


@dataclass
class FakeReach:
    site: Fleet

    @property
    def enrolment(self) -> Enrolling:
        return self.site.enrolling

    @property
    def clock(self) -> VirtualClock:
        return self.site.meeting.clock


# What may be in the way.


async def test_a_bot_that_is_not_set_up_says_what_is_missing_a_line_each() -> None:
    async with opened(set_up=False) as site:
        for text in ("probes", "enrol SRV-SYNC01", f"confirm SRV-SYNC01 {ONE.fingerprint}", "revoke SRV-SYNC01"):
            told = await site.say(ALEX, text)
            assert told.state == "NOT SET UP"
            for name in ("WHYSYNC_PUBLIC_URL", "WHYSYNC_SIGNING_KEY", "WHYSYNC_SERVICEBUS"):
                assert sum(name in each for each in visible(told.card)) == 1


async def test_a_store_that_is_away_is_said(site: Fleet) -> None:
    async def away(*_: object, **__: object) -> Any:
        raise Unavailable("The store does not answer.")

    site.store.scan = site.store.get = away  # type: ignore[method-assign]  # a store that is away
    for text in ("probes", "enrol SRV-SYNC01", "revoke SRV-SYNC01"):
        assert (await site.say(ALEX, text)).state == "NOT KEPT"


@pytest.mark.parametrize("name", ["SRV-" + "X1" * 40, "SRV-X1.", "-SRV1"])
async def test_a_name_that_no_probe_can_have_is_refused(site: Fleet, name: str) -> None:
    told = await site.say(ALEX, f"enrol {name}")
    assert "whysync1." not in told.text or token_in(told.text).probe != name


async def test_a_probe_that_nobody_knows_is_said_not_to_be(site: Fleet) -> None:
    assert "No probe of the name SRV-X9" in (await site.say(ALEX, "revoke SRV-X9")).text
    assert "No probe of the name SRV-X9" in (await site.say(ALEX, f"confirm SRV-X9 {ONE.fingerprint}")).text


async def test_revoking_ends_a_token_that_was_not_used(site: Fleet) -> None:
    token = await site.token()
    assert "invitation" in (await site.say(SAM, "revoke SRV-SYNC01")).text
    with pytest.raises(Exception, match="no-invitation"):
        await site.enrolling.admit(apply(token, HOST, ONE))


async def test_revoking_twice_says_so(site: Fleet) -> None:
    await site.applied()
    await site.say(SAM, "revoke SRV-SYNC01")
    assert "already" in (await site.say(ALEX, "revoke srv-sync01")).text


# Telling the inviter.


async def test_the_inviter_is_told_who_applied_and_to_compare_it_with_the_server(site: Fleet) -> None:
    await site.book.keep(chat(ALEX), ALEX)
    announce = ToTheInviter(site.book, site.meeting.outlet, fleet.asks_to_join)
    fingerprint = await site.applied()
    await announce((await site.enrolling.list())[0])
    last = site.meeting.outlet.shown[-1]
    assert (last.act, last.place.key) == ("send", chat(ALEX).key)
    assert last.card is not None
    text = " ".join(plain(last.card).split())
    for part in ("SRV-SYNC01 asks to join", HOST, fingerprint, "on its own screen", "Another admin"):
        assert part in text
    assert f"confirm SRV-SYNC01 {fingerprint}" not in text


async def test_an_inviter_whose_chat_is_not_known_costs_nothing(site: Fleet) -> None:
    await site.applied()
    assert all("asks to join" not in str(each.card) for each in site.meeting.outlet.shown)


# The list.


def probe(name: str, standing: Standing, key: Any = ONE) -> EnrolledProbe:
    return EnrolledProbe(
        ProbeIdentity(TENANT_ID, name, "a" * 32), key, OPS, f"{name.lower()}.contoso.com", "a", standing
    )


def millis(ago: timedelta) -> int:
    return round((AT - ago).timestamp() * 1000)


def contact(name: str, relay: bool | None, fallback: bool, **more: Any) -> ProbeContact:
    seen = {"relay": AT - timedelta(seconds=20), "fallback": AT - timedelta(minutes=42)}
    return ProbeContact(name, relay, fallback, AT - timedelta(seconds=20), seen_by=seen, **more)


RECORDS = (
    ProbeRecord(probe("SRV-SYNC01", Standing.CONFIRMED), millis(timedelta(days=3)), millis(timedelta(days=2)), "b"),
    ProbeRecord(probe("SRV-SYNC02", Standing.WAITING), millis(timedelta(minutes=9)), bad_tries=2),
    ProbeRecord(
        probe("SRV-OLD", Standing.REVOKED),
        millis(timedelta(days=90)),
        millis(timedelta(days=89)),
        "b",
        millis(timedelta(days=1)),
        "c",
    ),
    ProbeRecord(probe("SRV-DC07", Standing.CONFIRMED), millis(timedelta(days=3)), millis(timedelta(days=2)), "b"),
    ProbeRecord(probe("SRV-NEW", Standing.CONFIRMED), millis(timedelta(days=3)), millis(timedelta(days=2)), "b"),
)
CONTACTS = (
    contact("srv-sync01", True, False, version="0.1.0", skew_s=1),
    contact("SRV-DC07", None, True, version="0.0.9", skew_s=-412),
)
NAMES = {"a": "Alex Admin", "b": "Sam Second"}
ASK = Ask("probes", "probe_list", Slots(), "a", "Alex Admin", case_id="70a6519f")


def listed(records: Any = RECORDS, contacts: Any = CONTACTS) -> Answer:
    return fleet.listed(ASK, records, contacts, NAMES, AT)


async def test_the_list_is_private_and_tells_names_of_people(site: Fleet) -> None:
    fingerprint = await site.applied()
    reply = await site.say(SAM, "which probes are enrolled", channel())
    assert reply.text.strip().endswith(PRIVATE)
    private = [each.card for each in site.meeting.outlet.shown if each.place.key == chat(SAM).key][-1]
    assert private is not None
    text = plain(private)
    assert HOST in text
    assert "invited by Alex Admin" in text
    assert fingerprint not in text


def test_the_list_says_what_somebody_should_do_something_about() -> None:
    text = "\n".join(strings(listed().card))
    for part in (
        "5 probes: 1 waiting for a second admin, 3 in service, 1 revoked.",
        "SRV-SYNC02 waits since 20 Nov 09:21 UTC for a second admin",
        "wrong fingerprints typed so far: 2",
        "SRV-NEW was never heard",
        "SRV-DC07 runs version 0.0.9, older than 0.1.0",
        "SRV-DC07: clock 412 s behind",
        "relay 20 Nov 09:29 UTC; HTTPS silent since 20 Nov 08:48 UTC",
        "relay not known, my own end is down",
    ):
        assert part in text


def test_a_fleet_in_order_is_green() -> None:
    fine = listed(RECORDS[:1], (contact("SRV-SYNC01", True, True, version="0.1.0", skew_s=0),))
    assert visible(fine.card)[0] == "PROBES"


def test_a_probe_in_service_whose_relay_is_silent_is_not_green() -> None:
    deaf = listed(RECORDS[:1], (contact("SRV-SYNC01", False, True, version="0.1.0", skew_s=0),))
    assert visible(deaf.card)[0] == "LOOK AT THIS"
    assert "test the network from SRV-SYNC01" in " ".join(strings(deaf.card))


def test_where_all_are_in_service_no_column_says_so_again() -> None:
    fine = listed(RECORDS[:1], (contact("SRV-SYNC01", True, True, version="0.1.0", skew_s=0),))
    assert "Standing" not in visible(fine.card)
    assert "Standing" in visible(listed().card)


async def test_a_confirmation_without_the_whole_fingerprint_says_what_is_missing(site: Fleet) -> None:
    await site.applied()
    told = await site.say(SAM, "confirm SRV-SYNC01 ABCD")
    assert (told.state, await site.standing()) == ("FINGERPRINT?", "waiting")


def test_a_hundred_probes_fit() -> None:
    many = tuple(replace(RECORDS[0], probe=probe(f"SRV-{n}", Standing.CONFIRMED)) for n in range(100))
    assert broken_promises(listed(many).card) == []
    assert "and 88 more" in plain(listed(many).card)


# Every card, against golden files and promises.


def shown_token() -> Invited:
    wish = Inviting(TERMS.url, TENANT_ID, "SRV-SYNC01", OPS, "a")
    return Invited(invite(wish, wall(VirtualClock(AT)), lambda size: b"\x07" * size)[0], RECORDS[0])


CARDS: dict[str, Callable[[], Element]] = {
    "token": lambda: fleet.invited(ASK, shown_token(), AT).card,
    "asks-to-join": lambda: fleet.asks_to_join(RECORDS[1]),
    "confirmed": lambda: fleet.confirmed(ASK, RECORDS[0], AT).card,
    "other-fingerprint": lambda: fleet.refused(ASK, "SRV-SYNC01", "other-fingerprint", AT).card,
    "same-person": lambda: fleet.refused(ASK, "SRV-SYNC01", "same-person", AT).card,
    "revoked": lambda: fleet.revoked(ASK, "SRV-OLD", Revoked(RECORDS[2]), AT).card,
    "withdrawn": lambda: fleet.revoked(ASK, "SRV-X", Revoked(None), AT).card,
    "not-set-up": lambda: fleet.not_set_up(ASK, ("WHYSYNC_PUBLIC_URL", "WHYSYNC_SIGNING_KEY"), AT).card,
    "probes": lambda: listed().card,
    "no-probes": lambda: listed((), ()).card,
}
GOLDEN = Path(__file__).parent / "golden_fleet"
WRITE = os.environ.get("GOLDEN") == "write"
every_card = pytest.mark.parametrize("name", CARDS)


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


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_card_breaks_a_promise_whatever_a_server_or_a_directory_says(text: str) -> None:
    odd = replace(probe("SRV", Standing.CONFIRMED), host=text, identity=ProbeIdentity(TENANT_ID, text, "a" * 32))
    records = tuple(replace(each, probe=replace(odd, standing=each.probe.standing)) for each in RECORDS * 5)
    heard = (contact(text, True, True, version=text, skew_s=10**12),)
    made = [
        fleet.listed(ASK, records, heard, {"a": text, "b": text, "c": text}, AT).card,
        fleet.asks_to_join(records[1]),
        fleet.refused(ASK, text, "other-fingerprint", AT).card,
        fleet.revoked(ASK, text, Revoked(records[2]), AT).card,
        fleet.confirmed(ASK, records[0], AT).card,
        fleet.not_kept(ASK, text, AT).card,
    ]
    for card in made:
        assert broken_promises(card) == []
        assert not any(leak in string for leak in LEAKS for string in strings(card))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"confirm {ONE.fingerprint}", ONE.fingerprint),
        ("confirm", None),
        ("confirm ABCD", None),
        ("confirm 1234-5678-9ABC-DEF0", "1234-5678-9ABC-DEF0"),
        ("xABCD-1234-5678-9ABCx", None),
    ],
)
def test_a_fingerprint_is_found_in_what_is_typed(text: str, found: str | None) -> None:
    assert fingerprint_in(text) == found


def test_every_command_is_typed_but_the_list() -> None:
    typed = [each.intents[0].name for each in PROBE_COMMANDS if isinstance(each, Command) and each.typed]
    assert typed == ["probe_enrol", "probe_confirm", "probe_revoke"]
