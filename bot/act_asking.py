"""Asking for an act: settled first, then with a reason, then shown to those who decide."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.act_approvers import Approvers
from bot.act_cards import reason_card, refused_card
from bot.act_cards_text import NO_REASON, sentence_for
from bot.act_copies import Copies
from bot.act_speaker import NotDone, Rights, Speaker
from bot.act_typed import Wish, is_reason
from bot.acts import Action, Plan, Refused, Thing
from bot.answering import Ask
from bot.approval_records import Shown, shown_of, shown_row
from bot.approvals import LEAST_REASON, MOST_REASON, NotNow, Request, State, Verb
from bot.approving import AlreadyOpen, Approvals, Busy, NoSuchRequest
from bot.cards.elements import Tone
from bot.cards.talk import notice
from bot.offers import OfferBook, Offered
from bot.reach import Reach
from bot.turns import Card, Sender, SendError

log = logging.getLogger("whysync.acts")

DRAFT_LIFE: Final = 3600.0
REQUEST: Final = "request"
"""The verb of the button that asks for what was settled."""


class Asking:
    def __init__(
        self,
        actions: Mapping[str, Action],
        approvals: Approvals,
        copies: Copies,
        offers: OfferBook,
        rights: Rights,
        approvers: Approvers,
        reach: Callable[[], Reach],
        soon: Callable[[str], None],
    ) -> None:
        self._actions, self._approvals, self._copies, self._offers = actions, approvals, copies, offers
        self._rights, self._approvers, self._reach, self._soon = rights, approvers, reach, soon

    async def asked(self, op: str, ask: Ask, wish: Wish, speaker: Speaker, message: str | None) -> Card | None:
        """A card that ends it; None where the request has cards of its own. Raises SourceError, NobodyMeant."""
        if why := await self._approvals.why_stopped():
            return notice("Stopped", why, Tone.ATTENTION)
        action = self._actions[op]
        planned = await action.plan(ask, self._reach())
        reasoned = long_enough(wish.reason)
        try:
            if isinstance(planned, Plan):
                if action.approvers and not reasoned:
                    return await self._wanting_reason(action, planned, wish, speaker, message)
                reason = wish.reason if reasoned else ""
                await self._request(action, planned, reason, speaker, message)
            elif planned.overrule and wish.insists and reasoned:
                await self._request(action, planned.overrule, wish.reason, speaker, message)
            else:
                return await self._refused(op, planned, wish, speaker, message)
        except NotDone as error:
            return notice("Not done", error.sentence, Tone.WARNING)
        return None

    async def requested(self, offered: Offered, reason: str, speaker: Speaker, message: str | None) -> None:
        """What was settled, now with its reason. Raises NotDone."""
        if not long_enough(reason):
            raise NotDone(NO_REASON)
        draft = offered.draft or {}
        await self._request(self._actions[draft["op"]], _plan(draft), reason, speaker, message)

    async def _refused(self, op: str, refusal: Refused, wish: Wish, speaker: Speaker, message: str | None) -> Card:
        if refusal.overrule is None:
            return refused_card(refusal)
        ident = await self._draft(op, refusal.overrule, speaker, message)
        return refused_card(refusal, action_id=ident, typed=wish.words)

    async def _wanting_reason(
        self, action: Action, plan: Plan, wish: Wish, speaker: Speaker, message: str | None
    ) -> Card:
        await self._rights.require(Verb.ASK, action.op, plan.configuration, speaker)
        ident = await self._draft(action.op, plan, speaker, message)
        return reason_card(action, plan, action_id=ident, typed=wish.words, note=NO_REASON if wish.reason else "")

    async def _draft(self, op: str, plan: Plan, speaker: Speaker, message: str | None) -> str:
        """Settled, and kept until there is a reason; only whoever asked can go on with it.

        Empty where nobody knows in which message its button would stand: then it can be typed.
        """
        if message is None:
            return ""
        ident = self._offers.given(
            speaker.place,
            life=DRAFT_LIFE,
            draft={"op": op, "thing": plan.thing.document, "shown": shown_row(Shown.of(plan))},
            verbs=frozenset({REQUEST}),
            who=frozenset({speaker.id}),
            message=message,
        )
        await self._offers.save()
        return ident

    async def _request(self, action: Action, plan: Plan, reason: str, speaker: Speaker, message: str | None) -> None:
        """Raises NotDone."""
        await self._rights.require(Verb.ASK, action.op, plan.configuration, speaker)
        try:
            person_id, where = speaker.person.object_id, speaker.where
            request = await self._approvals.ask(action, plan, person_id, reason, where=where)
        except AlreadyOpen as other:
            await self._show(other.request, speaker, message)
            return
        except (NotNow, Busy) as error:
            raise NotDone(sentence_for(error)) from error
        await self._open(request, speaker, message)
        if request.state is State.APPROVED:
            self._soon(request.id)
        elif speaker.alone:
            await self._ask_approvers(request, speaker)

    async def _open(self, request: Request, speaker: Speaker, message: str | None) -> None:
        """It is asked for, whatever becomes of its cards."""
        try:
            await self._copies.opened(request, speaker)
        except (Busy, NoSuchRequest) as error:
            log.warning("request not listed", extra={"reason": str(error)})
        await self._show(request, speaker, message)

    async def _show(self, request: Request, speaker: Speaker, message: str | None) -> None:
        try:
            await self._copies.post_for(request, speaker, message)
        except (Busy, NoSuchRequest, SendError) as error:
            log.warning("request not shown", extra={"reason": type(error).__name__})

    async def _ask_approvers(self, request: Request, speaker: Speaker) -> None:
        """One after the other, each alone; where nobody can be reached, the requester has the code to pass on."""
        reached = 0
        for object_id in await self._approvers.whom(request.thing.op):
            if object_id == speaker.id:
                continue
            person = Sender(object_id, speaker.place.tenant_id)
            try:
                await self._copies.post_personally(request, person, speaker.place)
                reached += 1
            except (SendError, Busy, NoSuchRequest) as error:
                log.warning("approver not reached", extra={"reason": type(error).__name__, "actor_oid": object_id})
        if not reached:
            approve = f"approve {request.code} {request.thing.short_digest}"
            text = f"I could not ask anybody myself. Ask one of those who may approve it to type to me: {approve}"
            await self._copies.to_requester(await self._copies.told_of(request), text)


def long_enough(reason: str) -> bool:
    return LEAST_REASON <= len(reason) <= MOST_REASON and is_reason(reason)


def _plan(draft: Mapping[str, Any]) -> Plan:
    """As it was settled; what it rests on is read again before anybody's approval counts."""
    shown = shown_of(draft["shown"])
    return Plan(
        Thing.from_document(draft["thing"]),
        shown.title,
        shown.why,
        shown.effect,
        shown.sends,
        shown.configuration,
        shown.warnings,
        shown.evidence,
        shown.subject,
    )
