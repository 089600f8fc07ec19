"""A conversation: what was said is understood, allowed, answered; the first card at once, the verdict in its place."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bot import showing
from bot.act_speaker import Speaker, where_of
from bot.act_talk import ActTalk, NotADecision
from bot.act_typed import Wish, typed_decision, wish_of
from bot.answering import Act, Answer, Ask, Askable, Command, Skill, answer, serving
from bot.breadth import Breadth
from bot.cards import talk
from bot.cards.elements import Tone, with_buttons
from bot.cards.plain import plain
from bot.cards.talk import Last, notice
from bot.clock import Clock
from bot.evidence import Source, SourceError
from bot.heard_probes import HeardProbes
from bot.identifiers import Identifier, IdentifierKind, identify
from bot.intents import Grammar, NotUnderstood, Previous, Understood
from bot.may import may_of
from bot.offers import VERB, OfferBook, Offered
from bot.people import NotAllowed, People, Person, Policy, Role, check_may_ask
from bot.reach import Reach
from bot.showing import Turn
from bot.store import StoreError
from bot.stored_threads import Thread, Threads
from bot.telemetry import turn_id
from bot.turns import (
    Card,
    ChatKind,
    Joined,
    Outlet,
    Place,
    Pressed,
    Removed,
    Said,
    SendError,
)
from bot.understanding import Question, Unserved, Whom, answered, read_in

log = logging.getLogger("whysync.conversation")

EDIT_EVERY = 1.0
"""Seconds between edits of a card: Teams throttles more."""
LONG = 15.0
"""An answer that took longer calls the asker, since an edit notifies nobody."""
WHOM = "Whom do you mean? A user principal name, an account name, a distinguished name or a mention will do."
GREETING = "I find out why somebody does not sync from Active Directory to Entra ID. Ask: why isn't jdoe syncing"
OLD_BUTTON = "This button is too old or belongs to another conversation. Ask again in words."


AWAY = "I cannot look up this button just now. Press it again in a minute, or ask in words."
TYPE_IT = "This I do only when you type it yourself: not from a button, not from what you quote, not from an edit."
SEE_BELOW = "The card below tells how it goes on."
GAVE_UP = "I had to give up on this question. Please ask again."
PRIVATE = "The answer is in your personal chat."
NO_PRIVATE = "I could not write into your personal chat. Open a chat with me and ask there."


class Conversation:
    """The listener behind the adapter. Keeps no state that it could not lose."""

    def __init__(
        self,
        skills: Sequence[Askable],
        grammar: Grammar,
        people: People,
        policy: Policy,
        reach: Callable[[], Reach],
        clock: Clock,
        *,
        edit_every: float = EDIT_EVERY,
        offers: OfferBook | None = None,
        acts: ActTalk | None = None,
        breadth: Breadth | None = None,
        threads: Threads | None = None,
    ) -> None:
        self._skills, self._grammar, self._people, self._policy = skills, grammar, people, policy
        self._reach, self._clock, self._edit_every = reach, clock, edit_every
        self._offers, self._acts, self._breadth = offers or OfferBook(clock), acts, breadth
        self._threads = threads or Threads(clock)

    async def said(self, said: Said, outlet: Outlet) -> None:
        own = bool(said.text) and not said.edited
        turn = Turn(said.text or said.quoted, said.sender, said.place, outlet, said.mentions, typed=own)
        began = self._clock.monotonic()
        message = await showing.first(turn, talk.looking(said.text))
        shown = talk.notice("Sorry", GAVE_UP, Tone.WARNING)
        answered = False
        try:
            given = await self._heard(turn, message)
            answered = True
        finally:
            if not answered:
                await showing.edit(turn, message, shown)
        if given is not None:
            await showing.finish(turn, message, notice("Private", given) if isinstance(given, str) else given)
        if self._clock.monotonic() - began > LONG:
            await outlet.send(said.place, None, "The answer is in the card above.", mention=said.sender)

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        """A press changes the card for everybody, so what concerns the presser alone is a sentence."""
        try:
            offered = await self._offers.take(pressed.action_id, pressed.place)
        except StoreError as error:
            log.warning("button not looked up", extra={"reason": error.reason})
            return AWAY
        if offered is None:
            return OLD_BUTTON
        turn = Turn(
            offered.ask, pressed.sender, pressed.place, outlet, (), offered.understood, typed=False, pressed=True
        )
        try:
            shown = await self._meant(offered, pressed, turn)
        except NotAllowed as refusal:
            return _refused(refusal, turn)
        if isinstance(shown, dict) and pressed.message_id:
            # Teams shows the answer to a press to the presser alone; only an edit changes it for everybody.
            await showing.edit(turn, pressed.message_id, shown)
        return shown or SEE_BELOW

    async def _meant(self, offered: Offered, pressed: Pressed, turn: Turn) -> Card | str | None:
        """Raises NotAllowed."""
        if offered.ask:
            plain_press = pressed.verb == VERB and not pressed.inputs
            return await self._answered(turn, pressed.message_id) if plain_press else OLD_BUTTON
        if self._acts is None or pressed.automatic:
            return OLD_BUTTON
        return await self._acts.pressed(offered, pressed, await self._speaker(turn))

    async def joined(self, joined: Joined, outlet: Outlet) -> None:
        await outlet.send(joined.place, None, GREETING)

    async def removed(self, removed: Removed) -> None:
        await self._threads.forget(removed.place)

    async def _heard(self, turn: Turn, message: str | None) -> Card | str | None:
        try:
            return await self._answered(turn, message)
        except NotAllowed as refusal:
            return notice("Not allowed", _refused(refusal, turn), Tone.WARNING)

    async def _answered(self, turn: Turn, message: str | None) -> Card | str | None:
        """The card that ends the question; a sentence where the answer went to the asker alone; None where it is shown
        already. Raises NotAllowed."""
        decision = typed_decision(turn.text) if self._acts and not turn.pressed else None
        if decision and self._acts:
            if not turn.typed:
                return notice("Not from there", TYPE_IT, Tone.WARNING)
            try:
                return await self._acts.typed(decision, turn.text, await self._speaker(turn), message)
            except NotADecision:
                log.info("no decision after all")
        wish, understood = await self._understood(turn)
        person = await self._person(turn)
        try:
            return await self._served(replace(turn, wish=wish), person, understood, message)
        except SourceError as error:
            return notice("Not reachable", error.reason, Tone.WARNING)

    async def _understood(self, turn: Turn) -> tuple[Wish | None, Understood | NotUnderstood]:
        """An act is read without the reason that is given for it; a question as a whole."""
        if turn.understood:
            return None, turn.understood
        wish, thread = wish_of(turn.text), None if turn.pressed else await self._threads.read(turn.place)
        previous = thread.previous if thread else None
        if wish.words != turn.text:
            bare = read_in(self._grammar, wish.words, turn.mentions, previous)
            acting = (
                any(isinstance(each, Act) and bare.intent in _names(each) for each in self._skills)
                if isinstance(bare, Understood)
                else False
            )
            if acting:
                return wish, bare
        return None, read_in(self._grammar, turn.text, turn.mentions, previous)

    async def _speaker(self, turn: Turn) -> Speaker:
        """Raises NotAllowed."""
        return Speaker(await self._person(turn), turn.sender, turn.place)

    async def _person(self, turn: Turn) -> Person:
        in_channel = turn.place.kind is not ChatKind.PERSONAL
        return await self._people.person(turn.sender.object_id, turn.place.channel_id, in_channel=in_channel)

    async def _counted(self, question: Question, person: Person) -> None:
        """Nobody goes through the directory person by person. Raises NotAllowed."""
        if self._breadth is None or question.own:
            return
        slots = question.reading.slots
        await self._breadth.count(person, [each.text for each in slots.who or slots.maybe])

    async def _served(
        self, turn: Turn, person: Person, understood: Understood | NotUnderstood, message: str | None
    ) -> Card | str | None:
        async def run(question: Question) -> Card | str | None:
            skill, private = question.skill, question.own
            await self._counted(question, person)
            if isinstance(skill, Command):
                if skill.typed and not turn.typed and not (isinstance(skill, Act) and turn.pressed):
                    return notice("Not from there", TYPE_IT, Tone.WARNING)
                if isinstance(skill, Act) and self._acts:
                    return await self._act(self._acts, skill.op, turn, person, question.reading, message)
                private = skill.private
            return await self._run(skill, turn, person, question.reading, message, private=private)

        given = await answered(self._skills, understood, person, run)
        match given:
            case NotUnderstood():
                return talk.not_understood([intent.example for intent in given.nearest])
            case Unserved() if given.reading.intent == "followup":
                return await self._followed(turn, person, given.reading, message)
            case Unserved():
                return notice("Not yet", given.line, Tone.WARNING)
            case Whom():
                asked = Previous(given.reading.intent, asked=given.reading.needs)
                await self._threads.remember(turn.place, asked, None)
                return notice("Whom?", WHOM)
            case _:
                return given

    async def _act(
        self, acts: ActTalk, op: str, turn: Turn, person: Person, reading: Understood, message: str | None
    ) -> Card | str | None:
        """What a button of another card asks for gets a card of its own."""
        wish = turn.wish or Wish(turn.text)
        ask = Ask(wish.words, reading.intent, reading.slots, person.object_id, person.name)
        if turn.pressed:
            message = await showing.first(turn, talk.looking(turn.text))
        shown = await acts.asked(op, ask, wish, Speaker(person, turn.sender, turn.place), message)
        if shown is None or not turn.pressed:
            return shown
        await showing.finish(turn, message, shown)
        return SEE_BELOW

    async def _followed(
        self, turn: Turn, person: Person, understood: Understood, message: str | None
    ) -> Card | str | None:
        """`again` is the thread's own question once more; anything else asks about its last answer."""
        thread = await self._threads.read(turn.place) if turn.pressed else self._threads.known(turn.place)
        if thread is None or understood.topic != "again" or thread.previous.intent == "followup":
            return self._about_last(person, understood.topic, thread)
        before = thread.previous
        slots = replace(understood.slots, who=before.who, host=before.host)
        again = replace(understood, intent=before.intent, slots=slots, needs=(), topic=before.topic)
        return await self._served(turn, person, again, message)

    async def _run(
        self,
        skill: Skill[Any] | Command,
        turn: Turn,
        person: Person,
        understood: Understood,
        message: str | None,
        *,
        private: bool,
    ) -> Card | str:
        ask = Ask(
            text=turn.text,
            intent=understood.intent,
            slots=understood.slots,
            asker_id=person.object_id,
            asker_name=person.name,
            details=self._details(turn.place, person, private=private),
            plain=Role.ADMIN not in person.roles,
            case_id=turn_id(),
            may=may_of(person, self._policy, self._acts.actions if self._acts else {}, where_of(turn.place)),
        )
        given = await self._with_progress(skill, ask, turn, message)
        previous = _previous(understood, given)
        if private and not turn.alone:
            await self._threads.remember(turn.place, previous, None)
            return await self._whispered(turn, given, understood, previous)
        shown = self._with_offers(given, turn.place, turn.text, understood)
        remembering = self._threads.remember(turn.place, previous, Last.of(given.document))
        await asyncio.gather(remembering, self._offers.save())
        return talk.with_more(shown) if understood.more else shown

    def _with_offers(self, given: Answer, place: Place, text: str, understood: Understood) -> Card:
        """What asks the same again is kept as it was understood: its words may have leant on the thread."""
        return with_buttons(
            given.card,
            [self._offers.button(offer, place, understood if offer.ask == text else None) for offer in given.offers],
        )

    async def _whispered(self, turn: Turn, given: Answer, understood: Understood, previous: Previous) -> str:
        """To the asker alone; the thread keeps nothing of it that others could ask about."""
        summary = plain(given.card)
        try:
            chat, message = await turn.outlet.send_personal(turn.sender, turn.place, given.card, summary)
        except SendError as error:
            log.warning("personal chat not reached", extra={"reason": error.reason})
            return NO_PRIVATE
        await self._threads.remember(chat, previous, Last.of(given.document))
        personal = replace(turn, place=chat)
        await showing.edit(personal, message, self._with_offers(given, chat, turn.text, understood))
        await self._offers.save()
        return PRIVATE

    def _about_last(self, person: Person, topic: str | None, thread: Thread | None) -> Card:
        """Whoever may not ask the question may not ask about its answer either."""
        if thread and thread.last:
            who = thread.previous.who
            skill = serving(self._skills, thread.previous.intent, named=bool(who))
            own = bool(who) and all(each.kind is IdentifierKind.SELF for each in who)
            check_may_ask(person, skill.about, own_account=own, subjects=len(who))
        return talk.about_last(topic, thread.last if thread else None)

    def _details(self, place: Place, person: Person, *, private: bool) -> bool:
        """Attribute values go to a personal chat, or where the policy says that everybody may see them."""
        if place.kind is ChatKind.PERSONAL or private:
            return bool(person.roles & {Role.ADMIN, Role.HELPDESK}) or private
        return self._policy.channel(place.channel_id).show == "attributes"

    async def _with_progress(self, skill: Skill[Any] | Command, ask: Ask, turn: Turn, message: str | None) -> Answer:
        """Runs the question; meanwhile the card tells who has answered what, at most one edit a second."""
        heard: list[tuple[Source, int, int]] = []
        reach = self._reach()
        probes = HeardProbes(reach.probes)

        def note(source: Source, done: int, total: int) -> None:
            heard.append((source, done, total))

        asking = answer(skill, ask, replace(reach, probes=probes), progress=note)
        running = asyncio.create_task(asking, name="question")
        try:
            shown = 0
            while not (await asyncio.wait({running}, timeout=self._edit_every))[0]:
                if len(heard) + probes.events > shown:
                    shown = len(heard) + probes.events
                    await showing.edit(turn, message, talk.looking(ask.text, heard, probes.progress))
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def _refused(refusal: NotAllowed, turn: Turn) -> str:
    log.warning("refused", extra={"reason": refusal.code, "actor_oid": turn.sender.object_id})
    return refusal.reason


def _previous(understood: Understood, given: Answer) -> Previous:
    resolved = tuple(found for found in (identify(name) for name in given.about) if found)
    who: tuple[Identifier, ...] = (
        resolved if resolved and given.document.get("state") != "ambiguous" else understood.slots.who
    )
    selfish = any(each.kind is IdentifierKind.SELF for each in understood.slots.who)
    return Previous(
        understood.intent,
        understood.slots.who if selfish else who,
        understood.slots.group,
        understood.topic,
        host=understood.slots.host,
    )


def _names(skill: Askable) -> frozenset[str]:
    return frozenset(each.name for each in skill.intents)
