"""A conversation: what was said is understood, allowed, answered; the first card at once, the verdict in its place."""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.answering import Answer, Ask, Later, Skill, answer, serving
from bot.cards.elements import Element, Tone, card, heading, line, run, title
from bot.cards.plain import plain
from bot.cards.text import safe
from bot.clock import Clock
from bot.evidence import Source
from bot.identifiers import Identifier, IdentifierKind, identify
from bot.intents import Grammar, NotUnderstood, Previous, Understood
from bot.offers import VERB, OfferBook
from bot.people import NotAllowed, People, Person, Policy, Role, check_may_ask
from bot.reach import Reach
from bot.turns import Card, ChatKind, Joined, Mention, Outlet, Place, Pressed, Removed, Said, Sender, SendError

log = logging.getLogger("whysync.conversation")

EDIT_EVERY = 1.0
"""Seconds between edits of a card: Teams throttles more."""
LONG = 15.0
"""An answer that took longer calls the asker, since an edit notifies nobody."""
THREADS = 10_000
WHOM = "Whom do you mean? A user principal name, an account name, a distinguished name or a mention will do."
GREETING = "I find out why somebody does not sync from Active Directory to Entra ID. Ask: why isn't jdoe syncing"
OLD_BUTTON = "This button is too old or belongs to another conversation. Ask again in words."


@dataclass(frozen=True)
class Thread:
    """What a thread was last about."""

    previous: Previous
    document: dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """Who asks, where, and how to answer: the same for words and for buttons."""

    text: str
    sender: Sender
    place: Place
    outlet: Outlet
    mentions: tuple[Mention, ...] = ()


class Conversation:
    """The listener behind the adapter. Keeps no state that it could not lose."""

    def __init__(
        self,
        skills: Sequence[Skill[Any] | Later],
        grammar: Grammar,
        people: People,
        policy: Policy,
        reach: Callable[[], Reach],
        clock: Clock,
    ) -> None:
        self._skills, self._grammar, self._people, self._policy = skills, grammar, people, policy
        self._reach, self._clock = reach, clock
        self._offers = OfferBook(clock)
        self._threads: OrderedDict[str, Thread] = OrderedDict()

    async def said(self, said: Said, outlet: Outlet) -> None:
        turn = Turn(said.text or said.quoted, said.sender, said.place, outlet, said.mentions)
        looking = _looking(said.text)
        message = await outlet.send(said.place, looking, _summary(looking))
        began = self._clock.monotonic()
        shown = await self._answered(turn, message)
        if shown is None:
            return
        await outlet.update(said.place, message, shown, _summary(shown))
        if self._clock.monotonic() - began > LONG:
            await outlet.send(said.place, None, "The answer is in the card above.", mention=said.sender)

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        offered = self._offers.take(pressed.action_id, pressed.place)
        if offered is None or pressed.verb != VERB:
            return OLD_BUTTON
        turn = Turn(offered.ask, pressed.sender, pressed.place, outlet)
        shown = await self._answered(turn, pressed.message_id)
        return shown if shown is not None else "The answer is in your personal chat."

    async def joined(self, joined: Joined, outlet: Outlet) -> None:
        await outlet.send(joined.place, None, GREETING)

    async def removed(self, removed: Removed) -> None:
        self._threads.pop(removed.place.key, None)

    async def _answered(self, turn: Turn, message: str | None) -> Card | None:
        """The card that ends the question; None where the answer went to the asker alone."""
        understood = self._grammar.understand(turn.text, turn.mentions, self._previous(turn.place))
        try:
            person = await self._person(turn)
            if isinstance(understood, NotUnderstood):
                return _not_understood(understood)
            return await self._served(turn, person, understood, message)
        except NotAllowed as refusal:
            log.warning("refused", extra={"reason": refusal.code, "actor_oid": turn.sender.object_id})
            return _notice("Not allowed", refusal.reason, Tone.WARNING)

    async def _person(self, turn: Turn) -> Person:
        in_channel = turn.place.kind is not ChatKind.PERSONAL
        return await self._people.person(turn.sender.object_id, turn.place.channel_id, in_channel=in_channel)

    async def _served(self, turn: Turn, person: Person, understood: Understood, message: str | None) -> Card | None:
        thread = self._threads.get(turn.place.key)
        if understood.intent == "followup":
            if thread is None or understood.topic != "again":
                return _about_last(understood.topic, thread)
            understood = replace(
                understood, intent=thread.previous.intent, slots=replace(understood.slots, who=thread.previous.who)
            )
        skill = serving(self._skills, understood.intent, named=bool(understood.slots.who))
        if isinstance(skill, Later):
            return _notice("Not yet", skill.line, Tone.WARNING)
        own = bool(understood.slots.who) and all(each.kind is IdentifierKind.SELF for each in understood.slots.who)
        check_may_ask(person, skill.about, own_account=own, subjects=len(understood.slots.who))
        if understood.needs:
            self._remember(turn.place, Previous(understood.intent, asked=understood.needs), {})
            return _notice("Whom?", WHOM, Tone.ACCENT)
        return await self._run(skill, turn, person, understood, message, private=own)

    async def _run(
        self,
        skill: Skill[Any],
        turn: Turn,
        person: Person,
        understood: Understood,
        message: str | None,
        *,
        private: bool,
    ) -> Card | None:
        alone = turn.place.kind is ChatKind.PERSONAL
        ask = Ask(
            text=turn.text,
            intent=understood.intent,
            slots=understood.slots,
            asker_id=person.object_id,
            asker_name=person.name,
            details=self._details(turn.place, person, private=private),
            case_id=secrets.token_hex(4),
        )
        given = await self._with_progress(skill, ask, turn, message)
        self._remember(turn.place, _previous(understood, given), given.document)
        shown = {
            **given.card,
            "actions": [*self._offers.buttons(given.offers, turn.place), *given.card.get("actions", [])],
        }
        if private and not alone:
            await turn.outlet.send_personal(turn.sender, turn.place, {**given.card}, plain(given.card))
            return _notice("Private", "The answer is in your personal chat.", Tone.ACCENT)
        return _with_more(shown) if understood.more else shown

    def _details(self, place: Place, person: Person, *, private: bool) -> bool:
        """Attribute values go to a personal chat, or where the policy says that everybody may see them."""
        if place.kind is ChatKind.PERSONAL or private:
            return bool(person.roles & {Role.ADMIN, Role.HELPDESK}) or private
        return self._policy.channel(place.channel_id).show == "attributes"

    async def _with_progress(self, skill: Skill[Any], ask: Ask, turn: Turn, message: str | None) -> Answer:
        """Runs the question; meanwhile the card tells which sources have answered, at most one edit a second."""
        heard: list[tuple[Source, int, int]] = []

        def note(source: Source, done: int, total: int) -> None:
            heard.append((source, done, total))

        running = asyncio.create_task(answer(skill, ask, self._reach(), progress=note), name="question")
        try:
            shown = 0
            while not (await asyncio.wait({running}, timeout=EDIT_EVERY))[0]:
                if message and len(heard) > shown:
                    shown = len(heard)
                    await _edit(turn, message, _looking(ask.text, heard))
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def _previous(self, place: Place) -> Previous | None:
        thread = self._threads.get(place.key)
        return thread.previous if thread else None

    def _remember(self, place: Place, previous: Previous, document: dict[str, Any]) -> None:
        self._threads[place.key] = Thread(previous, document)
        self._threads.move_to_end(place.key)
        while len(self._threads) > THREADS:
            self._threads.popitem(last=False)


async def _edit(turn: Turn, message: str, shown: Card) -> None:
    """Progress is a courtesy: an edit that fails costs nothing but itself."""
    try:
        await turn.outlet.update(turn.place, message, shown, _summary(shown))
    except SendError as error:
        log.info("progress not shown", extra={"reason": error.reason})


def _previous(understood: Understood, given: Answer) -> Previous:
    resolved = tuple(found for found in (identify(name) for name in given.about) if found)
    who: tuple[Identifier, ...] = (
        resolved if resolved and given.document.get("state") != "ambiguous" else understood.slots.who
    )
    selfish = any(each.kind is IdentifierKind.SELF for each in understood.slots.who)
    return Previous(
        understood.intent, understood.slots.who if selfish else who, understood.slots.group, understood.topic
    )


def _about_last(topic: str | None, thread: Thread | None) -> Card:
    """Questions about the last verdict, answered from the verdict itself."""
    causes = thread.document.get("causes") if thread else None
    if thread is None or not thread.document:
        return _notice("About what?", "I do not know what this is about. Ask about somebody first.", Tone.ACCENT)
    headline = str(thread.document.get("headline"))
    if topic == "owner":
        return _notice("Who", f"{causes[0]['owner']} has to move." if causes else "Nobody has to move.", Tone.ACCENT)
    if topic == "fix":
        steps = causes[0]["fix"] if causes else []
        return _notice(
            "What to do", " ".join(f"{count}. {step}" for count, step in enumerate(steps, 1)) or headline, Tone.ACCENT
        )
    if topic == "why":
        proofs = [each["says"] for cause in causes or () for each in cause["because"]]
        return _notice("How I know", "; ".join(proofs) or headline, Tone.ACCENT)
    return _notice("In plain words", f"{headline} {causes[0]['title'] if causes else ''}", Tone.ACCENT)


def _looking(text: str, heard: Sequence[tuple[Source, int, int]] = ()) -> Card:
    said = f"Looking: {safe(text, 120)}" if text else "Looking…"
    body: list[Element] = [line(run("LOOKING", bold=True, tone=Tone.ACCENT)), line(run(said, most=140))]
    if heard:
        last, done, total = heard[-1]
        body.append(line(run(f"{done} of {total} sources have answered, last {last.name}.", subtle=True)))
    return card(body, said)


def _notice(word: str, sentence: str, tone: Tone) -> Card:
    return card([title(sentence, state=word, tone=tone)], sentence)


def _not_understood(understood: NotUnderstood) -> Card:
    body = [title("I did not understand that.", state="Sorry", tone=Tone.WARNING), heading("You could ask")]
    body += [line(run("• "), run(intent.example)) for intent in understood.nearest]
    return card(body, "I did not understand that.")


def _with_more(shown: Card) -> Card:
    note = line(run("There was more in your message: ask for it in one of its own.", subtle=True))
    return {**shown, "body": [*shown["body"], note]}


def _summary(shown: Card) -> str:
    return str(shown.get("fallbackText") or "")
