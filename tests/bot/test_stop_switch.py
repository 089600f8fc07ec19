"""All acts stopped by one person, at once and everywhere, and released by two; in doubt they are stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from act_world import ANNA, BEN, CARA, CHANNEL, GROUP, GUEST, HEIDI, REASON, Room, chat

from bot.act_typed import Say, typed_decision
from bot.approvals import PENDING_LIFE, Attempt, Party, State, Verb
from bot.approving import Decided, Stopped
from bot.audit import exported
from bot.audit_chain import read
from bot.cards.elements import moment
from bot.clock import VirtualClock
from bot.stop_switch import NS, READ_ONLY, RK, Position, StopSwitch, Word
from bot.store import Row, Store, Unavailable, Write
from tests.acts.office import AT, OP, Instance, Job, People, virtual
from tests.store.model import Fault, Ground, ModelStore

WHY = "the wrong tenant was named"
STOP, RELEASE = f"stop all acts because {WHY}", "release all acts because it was the right tenant"


class Partly(ModelStore):
    """A store that does not serve some of its namespaces."""

    unread = unwritten = ""
    at_switch: Sequence[Fault] = ()
    """What happens to the next writes of the switch."""

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        if self.unread == ns:
            raise Unavailable("The store does not serve (ordered by a test).")
        return await super().get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        if self.unwritten == ns:
            raise Unavailable("The store does not serve (ordered by a test).")
        if ns == NS and self.at_switch:
            fault, *self.at_switch = self.at_switch
            self.faults.appendleft(fault)
        return await super().put(ns, pk, writes)


class Office:
    """Two instances on one store."""

    def __init__(self, clock: VirtualClock) -> None:
        ground, self.job, people = Ground(), Job(), People(glass={"anna"})
        self.stores = [Partly(ground=ground) for _ in range(2)]
        self.one, self.two = (
            Instance(store, self.job, people, clock, name)
            for store, name in zip(self.stores, ("one", "two"), strict=True)
        )
        self.clock = clock

    async def stop(self) -> None:
        """On the second instance."""
        word = Word(Party("cara", "p-cara"), "Cara", self.clock.now(), WHY)
        assert await self.two.switch.put(await self.two.switch.held(), Position(stop=word))

    async def release(self) -> None:
        assert await self.two.switch.put(await self.two.switch.held(), Position())

    async def state(self, request: Any) -> State:
        return (await self.one.approvals.request(request.id)).state


@pytest.fixture
def office() -> Office:
    return Office(virtual())


@pytest.fixture
def room() -> Room:
    return Room()


# Each step, on the other instance.


async def test_nothing_can_be_asked_for_and_whoever_asks_is_told_who_when_and_why(office: Office) -> None:
    await office.stop()
    with pytest.raises(Stopped) as refused:
        await office.one.ask()
    assert refused.value.why.startswith(f"Cara has stopped all acts on {moment(AT)}: {WHY}.")
    assert await office.one.approvals.open_requests() == []


async def test_nothing_can_be_approved_and_the_request_waits_on(office: Office) -> None:
    request = await office.one.ask()
    await office.stop()
    with pytest.raises(Stopped, match="stopped"):
        await office.one.approve(request)
    assert await office.state(request) is State.PENDING
    await office.release()
    assert (await office.one.approve(request)).state is State.APPROVED


async def test_no_glass_can_be_broken(office: Office) -> None:
    request = await office.one.ask()
    await office.stop()
    with pytest.raises(Stopped):
        await office.one.approvals.decide(request.id, Verb.BREAK_GLASS, "anna", reason=REASON)
    assert await office.state(request) is State.PENDING


async def test_what_leads_away_from_an_act_still_works(office: Office) -> None:
    denied, revoked = await office.one.ask("job-1"), await office.one.approved("job-2")
    await office.stop()
    assert (await office.one.deny(denied)).state is State.DENIED
    after = await office.one.approvals.decide(revoked.id, Verb.REVOKE, "ben")
    assert after.state is State.CANCELLED


async def test_nothing_that_was_approved_is_claimed(office: Office) -> None:
    request = await office.one.approved()
    await office.stop()
    with pytest.raises(Stopped):
        await office.one.approvals.claim(request.id, Attempt("a", "one", AT, AT + timedelta(minutes=3)))
    assert await office.state(request) is State.APPROVED


async def test_a_stop_between_the_look_at_the_world_and_the_claim_still_counts(office: Office) -> None:
    request = await office.one.approved()
    observe = office.job.observe

    async def meanwhile(*asked: Any) -> Mapping[str, str]:
        await office.stop()
        return await observe(*asked)

    office.one.actions[OP] = replace(office.one.actions[OP], observe=meanwhile)
    await office.one.execution._attended(request.id)
    assert (await office.state(request), office.job.calls) == (State.APPROVED, [])


async def test_released_in_time_what_was_approved_goes_on_and_else_it_lapses(office: Office) -> None:
    request, late = await office.one.approved("job-1"), await office.one.approved("job-2")
    await office.stop()
    await office.one.attend(request)
    assert office.job.calls == []
    await office.release()
    assert (await office.one.attend(request)).state is State.DONE
    await office.stop()
    office.clock.advance(11 * 60)
    await office.release()
    assert (await office.one.attend(late)).state is State.EXPIRED
    assert len(office.job.calls) == 1


async def test_an_act_that_has_been_called_is_seen_through(office: Office) -> None:
    office.job.in_call = office.stop
    assert (await office.one.attend(await office.one.approved())).state is State.DONE
    assert len(office.job.calls) == 1


# In doubt.


async def test_a_switch_that_cannot_be_read_is_a_stop_and_says_so(office: Office) -> None:
    request, approved = await office.one.ask("job-1"), await office.one.approved("job-2")
    office.stores[0].unread = NS
    for refused in (partial(office.one.ask, "job-3"), partial(office.one.approve, request)):
        with pytest.raises(Stopped) as told:
            await refused()
        assert told.value.why.startswith("I cannot read whether acts are stopped, so they count as stopped: The store")
    await office.one.attend(approved)
    assert (await office.state(approved), office.job.calls) == (State.APPROVED, [])
    office.stores[0].unread = ""
    assert (await office.one.attend(approved)).state is State.DONE


async def test_a_store_that_hangs_is_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(ModelStore):
        async def get(self, ns: str, pk: str, rk: str) -> Row | None:
            return await asyncio.Event().wait()  # type: ignore[return-value]  # it never comes to that

    monkeypatch.setattr("bot.stop_switch.READ_WITHIN", 0.01)
    assert "does not answer in time" in await StopSwitch(Hanging(), virtual()).why()


BROKEN_ROWS: dict[str, Any] = {
    "a newer version": {"v": 2, "stop": None, "release": None},
    "no version": {"stop": None, "release": None},
    "nothing": {"v": 1},
    "no word": {"v": 1, "stop": "yes", "release": None},
    "a time without a zone": {
        "v": 1,
        "stop": {"by": "a", "person": "p", "name": "A", "at": "2026-11-20T09:30:00", "reason": ""},
        "release": None,
    },
}


@pytest.mark.parametrize("row", BROKEN_ROWS.values(), ids=BROKEN_ROWS)
async def test_a_row_that_is_not_understood_is_a_stop_and_one_can_set_it_anew(room: Room, row: Any) -> None:
    await room.store.put(NS, "acts", [Write(RK, row, None)])
    assert "cannot be understood" in await room.switch.why()
    assert "cannot be understood" in room.text(await room.say(ANNA, RELEASE))
    assert room.word(await room.say(ANNA, STOP)) == "STOPPED"
    await room.say(ANNA, RELEASE)
    await room.say(BEN, RELEASE)
    assert await room.switch.why() == ""


async def test_the_policy_files_own_stop_is_undone_by_no_chat() -> None:
    room = Room(read_only=True)
    assert await room.switch.why() == READ_ONLY
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    assert "stays switched off by the policy file" in room.text(await room.say(BEN, RELEASE))
    assert await room.switch.why() == READ_ONLY


# Who stops, who releases.


async def stopped(room: Room) -> bool:
    return bool(await room.switch.why())


async def test_one_person_stops_at_once_in_any_place(room: Room) -> None:
    for place in (CHANNEL, GROUP, chat(BEN)):
        assert room.word(await room.say(BEN, STOP, place)) == "STOPPED"
        assert await stopped(room)
        for who in (ANNA, CARA):
            await room.say(who, RELEASE)
        assert not await stopped(room)


async def test_a_stop_without_a_reason_is_a_stop(room: Room) -> None:
    said = room.text(await room.say(BEN, "stop all acts"))
    assert (await stopped(room), "Reason: none was given" in said) == (True, True)


async def test_one_person_alone_releases_nothing_however_often_and_whoever_stopped(room: Room) -> None:
    await room.say(ANNA, STOP)
    for who in (ANNA, ANNA, ANNA):
        assert "It takes one more person" in room.text(await room.say(who, RELEASE))
    assert await stopped(room)
    assert room.word(await room.say(BEN, RELEASE)) == "NOT STOPPED"
    assert not await stopped(room)


async def test_two_accounts_of_one_person_are_one_person(room: Room) -> None:
    room.board.people = {ANNA.object_id: "anna", BEN.object_id: "anna"}
    await room.say(CARA, STOP)
    await room.say(ANNA, RELEASE)
    await room.say(BEN, RELEASE)
    assert await stopped(room)
    await room.say(CARA, RELEASE)
    assert not await stopped(room)


async def test_an_account_whose_person_nobody_knows_releases_nothing_but_stops(room: Room) -> None:
    room.board.people = {ANNA.object_id: ""}
    assert room.word(await room.say(ANNA, STOP)) == "STOPPED"
    await room.say(BEN, RELEASE)
    assert "which person is behind your account" in room.text(await room.say(ANNA, RELEASE))
    assert await stopped(room)


@pytest.mark.parametrize("lost", ["the role", "the person"])
async def test_the_first_one_must_still_be_allowed_to_when_the_second_one_says_so(room: Room, lost: str) -> None:
    await room.say(CARA, STOP)
    await room.say(ANNA, RELEASE)
    if lost == "the role":
        room.board.approvers.discard(ANNA.object_id)
    else:
        room.board.people = {ANNA.object_id: "somebody else"}
    await room.say(BEN, RELEASE)
    assert await stopped(room)
    await room.say(CARA, RELEASE)
    assert not await stopped(room)


async def test_a_wish_to_release_lapses_after_an_hour(room: Room) -> None:
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    room.clock.advance(PENDING_LIFE.total_seconds() + 1)
    await room.say(BEN, RELEASE)
    assert await stopped(room)
    room.clock.advance(PENDING_LIFE.total_seconds() - 1)
    await room.say(CARA, RELEASE)
    assert not await stopped(room)


async def test_a_new_stop_takes_back_what_somebody_wanted_to_release(room: Room) -> None:
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    await room.say(CARA, "stop all acts because it is worse than we thought")
    await room.say(BEN, RELEASE)
    assert "Cara Example has stopped" in await room.switch.why()


@pytest.mark.parametrize("who", [HEIDI, GUEST], ids=["helpdesk", "guest"])
async def test_whoever_is_no_admin_and_no_approver_turns_no_switch(room: Room, who: Any) -> None:
    assert room.word(await room.say(who, STOP)) in ("NOT DONE", "NOT ALLOWED")
    assert not await stopped(room)
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    await room.say(who, RELEASE)
    assert await stopped(room)


@pytest.mark.parametrize("text", ["release all acts", "release all acts because", "release all acts because ok"])
async def test_a_release_wants_a_reason(room: Room, text: str) -> None:
    await room.say(ANNA, STOP)
    await room.say(BEN, text)
    await room.say(CARA, RELEASE)
    assert await stopped(room)


@pytest.mark.parametrize("how", ["quoted", "edited"])
async def test_neither_a_quoted_nor_an_edited_message_turns_it(room: Room, how: str) -> None:
    said: Callable[[str], Awaitable[str]] = {
        "quoted": lambda text: room.say(ANNA, "", quoted=text),
        "edited": lambda text: room.say(ANNA, text, edited=True),
    }[how]
    assert "only when you type it yourself" in room.text(await said(STOP))
    assert not await stopped(room)


# Two at once, and a store that fails.


async def test_a_stop_that_comes_while_the_second_one_releases_stands(room: Room) -> None:
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    other = room.another()
    allowed = room.board.puller

    async def puller(object_id: str, where: Any = None) -> Any:
        if object_id == ANNA.object_id and where is None:
            room.board.puller = allowed  # type: ignore[method-assign]  # once, when the first one is looked at again
            await other.say(CARA, "stop all acts because it is worse than we thought", GROUP)
        return await allowed(object_id, where)

    room.board.puller = puller  # type: ignore[method-assign]
    await room.say(BEN, RELEASE)
    assert "Cara Example has stopped" in await room.switch.why()


ODD = [Fault.CONFLICT, Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE]


@pytest.mark.parametrize("fault", ODD)
async def test_a_stop_is_set_and_released_though_a_write_went_wrong(fault: Fault) -> None:
    store = Partly()
    room = Room(store=store)
    store.at_switch = [fault]
    assert room.word(await room.say(BEN, STOP)) == "STOPPED"
    assert await stopped(room)
    await room.say(ANNA, RELEASE)
    store.at_switch = [fault]
    assert room.word(await room.say(BEN, RELEASE)) == "NOT STOPPED"
    assert not await stopped(room)


async def test_a_stop_that_cannot_be_set_says_that_it_is_not() -> None:
    store = Partly()
    store.unwritten, room = NS, Room(store=store)
    said = room.text(await room.say(BEN, STOP))
    assert said.startswith("NOT DONE")
    assert "I could not set the stop" in said


async def test_who_stopped_and_who_released_stands_in_the_audit(room: Room) -> None:
    await room.say(ANNA, STOP)
    await room.say(ANNA, RELEASE)
    await room.say(BEN, RELEASE)
    ids = {"actor", "person", "action", "decision", "reason"}
    told = [{key: each[key] for key in ids} for each in await audited(room.store)]
    why = "it was the right tenant"
    assert [(each["actor"], each["action"], each["decision"], each["reason"]) for each in told] == [
        (ANNA.object_id, "stop-all-acts", "stopped", WHY),
        (ANNA.object_id, "release-all-acts", "wanted by one", why),
        (BEN.object_id, "release-all-acts", "released", why),
    ]
    assert told[0]["person"] == f"person of {ANNA.object_id}"
    assert "Example" not in str(told)


async def test_without_the_audit_nothing_is_released_and_a_stop_holds_all_the_same() -> None:
    store = Partly()
    store.unwritten, room = "audit", Room(store=store)
    said = room.text(await room.say(ANNA, STOP))
    assert "could not be written into the audit; it holds all the same" in said
    store.unwritten = ""
    await room.say(ANNA, RELEASE)
    store.unwritten = "audit"
    assert "The audit cannot be written" in room.text(await room.say(BEN, RELEASE))
    assert await stopped(room)


async def audited(store: Store) -> list[Any]:
    data = "".join([f"{line}\n" async for line in exported(store)]).encode()
    return [link.body for link in read(data).links]


# What is shown.


async def test_whoever_asks_for_an_act_is_told_at_once_and_nothing_is_asked_of_others(room: Room) -> None:
    await room.say(BEN, STOP)
    said = room.text(await room.say(ANNA, "clear the quarantine"))
    assert said.startswith("STOPPED")
    assert f"Ben Example has stopped all acts on {moment(room.clock.now())}: {WHY}." in said
    assert await room.approvals.open_requests() == []


async def test_a_press_tells_and_brings_the_cards_up_to_date(room: Room) -> None:
    message, request = await room.asked()
    assert "Stopped:" not in room.text(message)
    await room.another().say(CARA, STOP, GROUP)
    told = await room.press(BEN, "Approve", message)
    assert "Cara Example has stopped all acts" in str(told)
    assert await room.state(request) is State.PENDING
    assert f"Stopped: Cara Example has stopped all acts on {moment(room.clock.now())}: {WHY}." in room.text(message)
    for who in (ANNA, CARA):
        await room.say(who, RELEASE)
    await room.press(BEN, "Approve", message)
    await room.run()
    assert (await room.state(request), "Stopped:" in room.text(message)) == (State.DONE, False)


async def test_without_a_press_the_cards_follow_and_nobody_is_reminded_of_what_cannot_be_done(room: Room) -> None:
    message, _ = await room.asked()
    await room.say(CARA, STOP, GROUP)
    room.clock.advance(PENDING_LIFE.total_seconds() - 60)
    said = len(room.said())
    await room.reminders.sweep()
    assert (len(room.said()), "Stopped: Cara" in room.text(message)) == (said, True)
    for who in (ANNA, CARA):
        await room.say(who, RELEASE, GROUP)
    await room.reminders.sweep()
    assert "Stopped:" not in room.text(message)
    assert "nobody has decided" in room.said()[-1]


async def test_a_button_that_asks_for_it_is_refused_as_well(room: Room) -> None:
    message = await room.say(ANNA, "clear the quarantine")
    await room.say(BEN, STOP)
    told = await room.press(ANNA, "Ask for approval", message, inputs={"reason": REASON})
    assert "Ben Example has stopped all acts" in str(told)
    assert await room.approvals.open_requests() == []


async def test_an_approved_act_that_may_not_begin_says_so_on_its_card(room: Room) -> None:
    message, request = await room.asked()
    await room.press(BEN, "Approve", message)
    await room.say(CARA, STOP)
    await room.run()
    assert (await room.state(request), room.tenant.calls) == (State.APPROVED, [])
    assert "Stopped: Cara Example has stopped all acts" in room.text(message)


async def test_the_list_of_what_is_pending_and_a_question_tell_it(room: Room) -> None:
    await room.asked()
    await room.say(BEN, STOP)
    assert "Stopped: Ben Example has stopped all acts" in room.text(await room.say(CARA, "pending"))
    assert "Ben Example has stopped all acts" in room.text(await room.say(CARA, "are acts stopped?"))
    await room.say(ANNA, RELEASE)
    assert "Anna Example wants to release them" in room.text(await room.say(HEIDI, "are acts stopped"))
    await room.say(BEN, RELEASE)
    assert room.word(await room.say(CARA, "are acts stopped")) == "NOT STOPPED"
    assert "Stopped:" not in room.text(await room.say(CARA, "pending"))


async def test_what_is_on_its_way_already_is_named_when_all_is_stopped(room: Room) -> None:
    _, request = await room.asked()
    await room.approvals.decide(request.id, Verb.APPROVE, BEN.object_id, digest=request.thing.short_digest)
    await room.approvals.claim(request.id, Attempt("a", "one", AT, room.clock.now() + timedelta(minutes=3)))
    said = room.text(await room.say(CARA, STOP))
    assert f"Sent already, and not undone by this: {request.code}" in said


async def test_another_instance_sees_it_at_once(room: Room) -> None:
    other = room.another()
    await room.say(ANNA, STOP)
    assert other.word(await other.say(BEN, "are acts stopped", GROUP)) == "STOPPED"
    await other.say(BEN, RELEASE, GROUP)
    await room.say(CARA, RELEASE)
    assert not await stopped(other)


async def test_a_release_counts_only_where_its_roles_hold(room: Room) -> None:
    room.board.channels = frozenset({CHANNEL.channel_id or ""})
    assert room.word(await room.say(ANNA, STOP, GROUP)) == "STOPPED"
    await room.say(ANNA, RELEASE, GROUP)
    await room.say(BEN, RELEASE)
    assert await stopped(room)
    await room.say(ANNA, RELEASE)
    assert not await stopped(room)


TYPED = {
    "stop all acts": (Say.STOP_ALL, ""),
    "Stop all acts!": (Say.STOP_ALL, ""),
    "please stop the acts because of a fire": (Say.STOP_ALL, "of a fire"),
    "STOP ALL ACTIONS, the wrong tenant": (Say.STOP_ALL, "the wrong tenant"),
    "stop all of the acts: wrong tenant": (Say.STOP_ALL, "wrong tenant"),
    "release all acts because it was a false alarm": (Say.RELEASE_ALL, "it was a false alarm"),
    "are acts stopped": (Say.STOPPED, ""),
    "are all acts stopped?": (Say.STOPPED, ""),
    "stop switch": (Say.STOPPED, ""),
    "stop all acts?": (Say.STOPPED, ""),
    "release all acts because it is over?": (Say.STOPPED, ""),
}


@pytest.mark.parametrize(("text", "meant"), TYPED.items())
def test_it_is_typed_like_this(text: str, meant: tuple[Say, str]) -> None:
    said = typed_decision(text)
    assert said is not None
    assert (said.say, said.text) == meant


@pytest.mark.parametrize(
    "text",
    ["stop the job", "stop", "stop jdoe", "why did it stop", "release the deletes", "stop allacts", "stop actsoup"],
)
def test_other_words_turn_no_switch(text: str) -> None:
    said = typed_decision(text)
    assert said is None or said.say not in (Say.STOP_ALL, Say.RELEASE_ALL, Say.STOPPED)


def test_stopped_is_no_decision_about_a_request() -> None:
    assert not issubclass(Stopped, Decided)
    assert replace(Position(), broken=True).stopped
