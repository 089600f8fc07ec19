"""Stopping all acts, and releasing them again, as it is said in a chat: one person stops, two release."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from bot.act_cards_text import NO_REASON, SENTENCES
from bot.act_speaker import NotDone, Speaker
from bot.act_typed import Say, is_reason
from bot.approvals import LEAST_REASON, MOST_REASON, Party, State
from bot.approving import Approvals, Busy
from bot.audit import Chain
from bot.cards.elements import Element, Tone, card, labelled, line, run, title
from bot.clock import Clock
from bot.deciding import WORDS, Ruling
from bot.people import Role
from bot.policy import Where
from bot.stop_switch import HOW, TO_RELEASE, Held, Position, StopSwitch, Word
from bot.turns import Card

log = logging.getLogger("whysync.switch")

TRIES: Final = 8
TARGET: Final = "acts"
MAY_KNOW: Final = frozenset(Role) - {Role.SELF}
NOT_SET: Final = (
    "I could not set the stop: my store does not serve. While it is away nothing begins, but once it is back, acts run "
    "again. Try again at once: stop all acts because …"
)
NOT_RELEASED: Final = "My store does not serve just now, so nothing was released. Try again in a minute."
NOT_AUDITED: Final = "The audit cannot be written just now, so nothing was released. Try again in a minute."
UNRECORDED: Final = "It could not be written into the audit; it holds all the same."
NOTHING_TO_RELEASE: Final = "Acts are not stopped, so there is nothing to release."
READ_ONLY: Final = (
    "Everything that changes something stays switched off by the policy file or a setting, which takes a restart."
)
FREE: Final = "Acts are not stopped."
STOPS: Final = "To stop all of them at once: stop all acts because …"
WHAT_IT_STOPS: Final = (
    "Nothing can be asked for, approved or begun. Denying, withdrawing and settling still work. What waits goes on "
    "waiting, and lapses in its own time."
)
SECOND: Final = f"It takes one more person, within an hour, in any chat with me: {TO_RELEASE}"
SENT_ALREADY: Final = "Sent already, and not undone by this"


class Pullers(Protocol):
    """Policy and directory, asked afresh. Never raises."""

    async def puller(self, object_id: str, where: Where | None = None) -> Ruling: ...


class Stopping:
    def __init__(self, switch: StopSwitch, approvals: Approvals, pullers: Pullers, chain: Chain, clock: Clock) -> None:
        self._switch, self._approvals, self._pullers = switch, approvals, pullers
        self._chain, self._clock = chain, clock

    async def said(self, say: Say, reason: str, speaker: Speaker) -> Card:
        """Raises NotDone."""
        match say:
            case Say.STOP_ALL:
                return await self._stopped(reason, speaker)
            case Say.RELEASE_ALL:
                return await self._released(reason, speaker)
            case _:
                return await self._shown(speaker)

    async def _stopped(self, reason: str, speaker: Speaker) -> Card:
        """At once, wherever it is said, and by one person; a stop without a reason is a stop."""
        ruling = await self._pullers.puller(speaker.id)
        _require(ruling)
        stop = self._word(ruling.party, speaker, reason if is_reason(reason) else "")
        try:
            await self._changed(partial(_stop, stop))
        except Busy as error:
            log.error("not stopped", extra={"reason": str(error)})
            raise NotDone(NOT_SET) from error
        noted = await self._noted("stop-all-acts", "stopped", stop)
        log.warning("all acts stopped", extra={"actor_oid": speaker.id})
        body = [
            title(f"{stop.name} has stopped all acts.", state="Stopped", tone=Tone.ATTENTION),
            labelled("Reason", stop.reason or "none was given"),
            line(WHAT_IT_STOPS),
            *await self._already_sent(),
            *([] if noted else [line(run(UNRECORDED, tone=Tone.ATTENTION))]),
            line(run(HOW, subtle=True)),
        ]
        return card(body, f"{stop.name} has stopped all acts.")

    async def _released(self, reason: str, speaker: Speaker) -> Card:
        """By two people: an account that somebody has stolen cannot undo alone what was stopped because of it."""
        ruling = await self._pullers.puller(speaker.id, speaker.where)
        _require(ruling)
        if not ruling.party.person:
            raise NotDone(SENTENCES["no-person"])
        if not (is_reason(reason) and LEAST_REASON <= len(reason) <= MOST_REASON):
            raise NotDone(NO_REASON)
        mine = self._word(ruling.party, speaker, reason)

        async def step(held: Position) -> Position:
            if held.broken:
                raise NotDone(held.says(mine.at))
            if not held.stopped:
                raise NotDone(NOTHING_TO_RELEASE)
            enough = await self._wanted_by_another(held, mine)
            if not await self._noted("release-all-acts", "released" if enough else "wanted by one", mine):
                raise NotDone(NOT_AUDITED)
            return Position() if enough else replace(held, release=mine)

        try:
            after = await self._changed(step)
        except Busy as error:
            raise NotDone(NOT_RELEASED) from error
        return self._wish(mine) if after.stopped else self._free(f"Released by {mine.name} as the second person.")

    async def _wanted_by_another(self, held: Position, mine: Word) -> bool:
        """Somebody else, who may still say so."""
        first = held.wanted(mine.at)
        if first is None or first.by.same(mine.by):
            return False
        now = await self._pullers.puller(first.by.object_id)
        return not now.code and now.party == first.by

    async def _shown(self, speaker: Speaker) -> Card:
        if not speaker.person.roles & MAY_KNOW:
            raise NotDone(SENTENCES["not-allowed"])
        why = await self._approvals.why_stopped()
        if not why:
            return self._free("")
        return card([title("All acts are stopped.", state="Stopped", tone=Tone.ATTENTION), line(why)], why)

    def _free(self, note: str) -> Card:
        """What the policy file or a setting stops stays stopped."""
        sentence = READ_ONLY if self._switch.read_only else STOPS
        shown = title(FREE, state="Not stopped", tone=Tone.WARNING if self._switch.read_only else Tone.GOOD)
        return card([shown, *([line(note)] if note else []), line(sentence)], FREE)

    def _wish(self, mine: Word) -> Card:
        shown = title("Acts stay stopped for now.", state="Stopped", tone=Tone.WARNING)
        said = labelled("To be released", f"{mine.name} wants it: {mine.reason}")
        return card([shown, said, line(SECOND)], f"{mine.name} wants to release all acts. {SECOND}")

    async def _already_sent(self) -> list[Element]:
        """What no stop reaches any more."""
        try:
            running = [each.code for each in await self._approvals.open_requests() if each.state is State.EXECUTING]
        except Busy:
            return []
        return [labelled(SENT_ALREADY, ", ".join(running))] if running else []

    async def _changed(self, step: Callable[[Position], Awaitable[Position]]) -> Position:
        """Raises Busy, and whatever `step` raises."""
        for _ in range(TRIES):
            held: Held = await self._switch.held()
            after = await step(held.position)
            if await self._switch.put(held, after):
                return after
        raise Busy("too many turn the switch at once")

    async def _noted(self, action: str, decision: str, word: Word) -> bool:
        try:
            await self._chain.note(word.by.object_id, action, TARGET, decision, word.reason, word.by.person)
        except Busy as error:
            log.error("not in the audit: %s", action, extra={"reason": str(error), "actor_oid": word.by.object_id})
            return False
        return True

    def _word(self, party: Party, speaker: Speaker, reason: str) -> Word:
        return Word(party, speaker.name, self._clock.now(), reason[:MOST_REASON])


async def _stop(word: Word, _: Position) -> Position:
    """The newest word counts, and whoever wanted to release has to look again."""
    return Position(stop=word)


def _require(ruling: Ruling) -> None:
    if ruling.code:
        raise NotDone(WORDS.get(ruling.code, SENTENCES["not-allowed"]))
