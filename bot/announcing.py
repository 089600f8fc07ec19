"""Speaks first: tells a person in their own chat with the bot of something that happened elsewhere."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot.outlet import ReferenceBook
from bot.relay.enrolments import ProbeRecord
from bot.turns import Card, Outlet, Sender

log = logging.getLogger("whysync.announcing")


@dataclass(frozen=True)
class ToTheInviter:
    """Their personal chat is known: the token was shown to them there. After a restart without it, nobody is told."""

    book: ReferenceBook
    outlet: Outlet
    shown: Callable[[ProbeRecord], Card]

    async def __call__(self, record: ProbeRecord) -> None:
        who = Sender(record.probe.invited_by, record.probe.identity.tenant)
        chat = await self.book.personal(who)
        if chat is None:
            log.warning("no chat to announce an application in", extra={"actor_oid": who.object_id})
            return
        card = self.shown(record)
        await self.outlet.send(chat, card, str(card["speak"]))
