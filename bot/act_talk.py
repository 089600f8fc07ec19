"""The conversation about acts: what is asked for, pressed or typed goes to the approvals, and the cards show it."""

from collections.abc import Callable, Mapping
from typing import Final

from bot import act_cards_text as words
from bot.act_asking import REQUEST, Asking
from bot.act_cards import REASON, Told, pending_card
from bot.act_copies import Copies, heard_by_others, settled
from bot.act_shelf import Note
from bot.act_speaker import NotDone, Rights, Speaker
from bot.act_stopping import Stopping
from bot.act_typed import OF_ALL, Say, Typed, Wish, is_reason, reason_of
from bot.acts import ATTEMPTED, Action, Seen
from bot.answering import Ask
from bot.approvals import MOST_REASON, NotNow, Request, State, Verb
from bot.approving import Approvals, Busy, Decided, NoSuchRequest, Stopped
from bot.cards.elements import Tone
from bot.cards.talk import notice
from bot.clock import Clock
from bot.evidence import SourceError
from bot.offers import Offered
from bot.reach import Reach
from bot.turns import Card, Pressed, SendError

VERBS: Final[Mapping[str, Verb]] = {
    "approve": Verb.APPROVE,
    "deny": Verb.DENY,
    "cancel": Verb.CANCEL,
    "revoke": Verb.REVOKE,
    "review": Verb.REVIEW,
}
DONE: Final[Mapping[Verb, str]] = {
    Verb.APPROVE: "Your approval counts. The card tells how it goes on.",
    Verb.DENY: "Denied. Whoever asked is told why.",
    Verb.CANCEL: "Withdrawn. Nothing will be done.",
    Verb.REVOKE: "Revoked. Nothing will be done.",
    Verb.REVIEW: "Noted: it has been reviewed.",
}
REASONED: Final = frozenset({Verb.DENY, Verb.BREAK_GLASS, Verb.REVIEW})
SEE_CARD: Final = "The card tells how it goes on."
SENT: Final = "Your words are with whoever has to read them. The request stays open."
LEAST_QUESTION: Final = 3


class ActTalk:
    """It answers with a card for the message that stands there, or with None where that shows the request already."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        approvals: Approvals,
        copies: Copies,
        asking: Asking,
        rights: Rights,
        reach: Callable[[], Reach],
        soon: Callable[[str], None],
        clock: Clock,
        stopping: Stopping,
    ) -> None:
        self._actions, self._approvals, self._copies, self._asking = actions, approvals, copies, asking
        self._rights, self._reach, self._soon, self._clock = rights, reach, soon, clock
        self._stopping = stopping

    @property
    def actions(self) -> Mapping[str, Action]:
        return self._actions

    async def asked(self, op: str, ask: Ask, wish: Wish, speaker: Speaker, message: str | None) -> Card | None:
        """Raises SourceError, NobodyMeant."""
        return await self._asking.asked(op, ask, wish, speaker, message)

    async def pressed(self, offered: Offered, pressed: Pressed, speaker: Speaker) -> str:
        """Only the verb counts, and of the inputs only the reason; whatever else a client sends means nothing."""
        if pressed.verb not in offered.verbs or offered.message != (pressed.message_id or ""):
            return words.NO_BUTTON
        if offered.who and speaker.id not in offered.who:
            return words.NOT_YOUR_BUTTON
        reason = reason_of(pressed.inputs.get(REASON, ""))
        try:
            if pressed.verb == REQUEST:
                await self._asking.requested(offered, reason, speaker, pressed.message_id)
                return SEE_CARD
            return await self._stepped(offered, pressed.verb, reason, speaker)
        except NotDone as error:
            return error.sentence
        except (NotNow, Busy, NoSuchRequest) as error:
            return await self._explained(error)

    async def _stepped(self, offered: Offered, verb: str, reason: str, speaker: Speaker) -> str:
        request = await self._approvals.request(offered.request)
        if verb == "more":
            return await self._asked_more(request, reason, speaker)
        if verb == "check":
            return await self._checked(request, speaker)
        if verb.startswith("settle-"):
            return await self._settled(request, verb.removeprefix("settle-"), reason, speaker)
        await self._decide(request, VERBS[verb], speaker, digest=offered.digest, reason=reason)
        return DONE[VERBS[verb]]

    async def typed(self, said: Typed, text: str, speaker: Speaker, message: str | None) -> Card | None:
        """Raises NotADecision where the words may mean something else."""
        try:
            if said.say is Say.PENDING:
                return await self._pending(speaker)
            if said.say in OF_ALL:
                return await self._stopping.said(said.say, said.text, speaker)
            request = await self._approvals.find(said.code)
            answer = await self._said(said, request, speaker)
            if answer:
                return notice("Noted", answer)
            await self._copies.post_for(await self._approvals.request(request.id), speaker, message)
        except NoSuchRequest:
            if not said.plainly(text):
                raise NotADecision from None
            return notice("No such request", words.NO_SUCH.format(code=said.code), Tone.WARNING)
        except NotDone as error:
            return notice("Not done", error.sentence, Tone.WARNING)
        except (NotNow, Busy) as error:
            return notice("Not done", await self._explained(error), Tone.WARNING)
        except SendError:
            return notice("Noted", SEE_CARD)
        return None

    async def _said(self, said: Typed, request: Request, speaker: Speaker) -> str:
        """What to answer; empty where the request itself is the answer."""
        match said.say:
            case Say.SHOW:
                await self._rights.require_sight(request, speaker)
            case Say.ASK | Say.ANSWER:
                return await self._asked_more(request, said.text, speaker)
            case Say.CHECK:
                return await self._checked(request, speaker)
            case Say.SETTLE:
                await self._settled(request, said.outcome, said.text, speaker)
            case Say.BREAK_GLASS:
                await self._broke_glass(request, said.text, speaker)
            case _:
                await self._decide(request, VERBS[said.say.value], speaker, digest=said.digest, reason=said.text)
        return ""

    async def _pending(self, speaker: Speaker) -> Card:
        """Those that this person may see."""
        seen: list[Told] = []
        for request in await self._approvals.open_requests():
            if settled(request):
                continue  # still listed for others, who have to record it or to tell of it
            try:
                await self._rights.require_sight(request, speaker)
                seen.append(await self._copies.told_of(request))
            except (NotDone, NoSuchRequest):
                continue
        return pending_card(seen, self._clock.now(), await self._approvals.why_stopped())

    # what all of them come to

    async def _decide(
        self, request: Request, verb: Verb, speaker: Speaker, *, digest: str = "", reason: str = ""
    ) -> Request:
        """Raises NotDone, NotNow, Busy, NoSuchRequest."""
        if verb not in REASONED:
            reason = reason[:MOST_REASON] if is_reason(reason) else ""
        elif not is_reason(reason):
            raise NotDone(words.NO_REASON)
        if verb is not Verb.CANCEL:
            await self._rights.require_for(verb, request, speaker)
        after = await self._approvals.decide(
            request.id, verb, speaker.person.object_id, digest=digest, reason=reason, where=speaker.where
        )
        if after.state is State.APPROVED:
            self._soon(after.id)
        await self._copies.named(after, speaker)
        await self._copies.changed(after)
        return after

    async def _asked_more(self, request: Request, text: str, speaker: Speaker) -> str:
        """A question to whoever asked, or their answer; the request stays as it is. Raises NotDone, NotNow, Busy."""
        await self._rights.require_sight(request, speaker)
        if request.state is not State.PENDING:
            raise Decided("not-pending", request, None)
        if sum(each.isalnum() for each in text) < LEAST_QUESTION:
            raise NotDone(words.NO_QUESTION.format(code=request.code))
        note = Note(self._clock.now(), speaker.name, text[:MOST_REASON])
        if not await self._copies.shelf.noted(request.id, note):
            raise NotDone(words.ENOUGH_SAID.format(code=request.code))
        told = await self._copies.refresh(request.id)
        if speaker.asked_for(request):
            text = f"{note.by} answers about {request.code}: {note.text}"
            await self._copies.everywhere(told, text, but=speaker.place.key)
        else:
            hint = f"To answer, type: answer {request.code} …"
            await self._copies.to_requester(told, f"{note.by} asks about {request.code}: {note.text} {hint}")
        return SENT

    async def _broke_glass(self, request: Request, reason: str, speaker: Speaker) -> None:
        """Only where others hear of it, and they are told at once. Raises NotDone, NotNow, Busy."""
        told = await self._copies.told_of(request)
        if not heard_by_others(told, speaker.id):
            raise NotDone(words.NOBODY_HEARS.format(code=request.code))
        after = await self._decide(request, Verb.BREAK_GLASS, speaker, reason=reason)
        loud = words.GLASS_BROKEN.format(who=speaker.name, code=after.code, title=told.shown.title, reason=reason)
        await self._copies.everywhere(told, loud)

    async def _checked(self, request: Request, speaker: Speaker) -> str:
        """Looks at the world once more; only what is seen there ends it. Raises NotDone, NotNow, Busy."""
        await self._rights.require_sight(request, speaker)
        if request.state is not State.UNKNOWN or request.attempt is None:
            raise Decided("not-unknown", request, None)
        before = {**request.attempt.before, ATTEMPTED: request.attempt.began.isoformat()}
        try:
            look = await self._actions[request.thing.op].verify(request.thing, before, self._reach())
        except SourceError as error:
            raise NotDone(error.reason) from error
        if look.seen is not Seen.CHANGED:
            return f"Nothing new is to be seen: {look.says}"
        outcome = State.DONE if look.succeeded else State.FAILED
        await self._copies.changed(await self._approvals.settle(request.id, outcome, look.says), look)
        return look.says

    async def _settled(self, request: Request, outcome: str, reason: str, speaker: Speaker) -> str:
        """A person tells how it ended. Raises NotDone, NotNow, Busy."""
        if not is_reason(reason):
            raise NotDone(words.NO_REASON)
        await self._rights.require_for(Verb.SETTLE, request, speaker)
        state = State.DONE if outcome == "done" else State.FAILED
        told = "it was done" if state is State.DONE else "it was not done"
        after = await self._approvals.settle(
            request.id,
            state,
            f"{speaker.name} says that {told}: {reason}",
            person_id=speaker.person.object_id,
            reason=reason,
            where=speaker.where,
        )
        await self._copies.named(after, speaker)
        await self._copies.changed(after)
        return "Noted, with your reason."

    async def _explained(self, error: Exception) -> str:
        """Whoever comes too late is told who decided and when; the cards that led them there are brought up to date."""
        if isinstance(error, Decided | Stopped) and error.request:
            await self._copies.changed(error.request)
        if not isinstance(error, Decided):
            return words.sentence_for(error)
        try:
            sheet = await self._copies.shelf.read(error.request.id)
        except Busy:
            return words.refusal(error)
        return words.refusal(error, sheet.name(error.last.by.object_id) if error.last and error.last.by else "")


class NotADecision(Exception):  # noqa: N818  # an outcome, named as such
    """There is no request of this code, and the words may be a question."""
