"""Answers people: turns a card or a sentence into the activities of the Bot Connector, and knows where to send them."""

import html
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from bot.activity_text import label
from bot.connector import ConnectorClient
from bot.place import personal_place
from bot.turns import Card, Gone, Place, Sender, SendError

log = logging.getLogger("whysync.outlet")

CARD = "application/vnd.microsoft.card.adaptive"
LONGEST_SUMMARY = 4_000

_MARKS = {ord(mark): " " for mark in "<>&"}

Activity = dict[str, Any]


class ReferenceBook(Protocol):
    """Where we may speak. What is kept comes from signed activities only."""

    async def keep(self, place: Place, sender: Sender | None) -> bool:
        """Remembers the newest reference, also as the sender's personal chat if it is one; True if it was new."""
        ...

    async def find(self, place: Place) -> Mapping[str, Any] | None:
        """The newest reference; the place's own when nothing is known of it; None when it was forgotten."""
        ...

    async def personal(self, sender: Sender) -> Place | None: ...

    async def forget(self, place: Place) -> None: ...


class ConnectorOutlet:
    def __init__(self, connector: ConnectorClient, book: ReferenceBook) -> None:
        self._connector, self._book = connector, book

    async def send(self, place: Place, card: Card | None, text: str, *, mention: Sender | None = None) -> str:
        reference = await self._reference(place)
        try:
            return await self._connector.send(reference, message(reference, card, text, mention))
        except Gone:
            await self._forget(place)
            raise

    async def update(self, place: Place, message_id: str, card: Card | None, text: str) -> None:
        reference = await self._reference(place)
        try:
            await self._connector.update(reference, message_id, message(reference, card, text))
        except Gone:
            await self._forget(place)
            raise

    async def typing(self, place: Place) -> None:
        """A courtesy: nobody waits for it, nobody misses it."""
        try:
            await self._connector.typing(await self._reference(place))
        except SendError as error:
            log.info("typing not shown: %s", error.reason)

    async def send_personal(self, sender: Sender, place: Place, card: Card | None, text: str) -> tuple[Place, str]:
        chat = await self._book.personal(sender) or await self._open_chat(sender, place)
        return chat, await self.send(chat, card, text)

    async def _open_chat(self, sender: Sender, place: Place) -> Place:
        reference = await self._reference(place)
        conversation = await self._connector.create_personal(reference, sender.object_id, sender.tenant_id)
        chat = personal_place(reference, conversation, sender)
        await self._book.keep(chat, sender)
        return chat

    async def _reference(self, place: Place) -> Mapping[str, Any]:
        reference = await self._book.find(place)
        if reference is None:
            raise Gone("forgotten")
        return reference

    async def _forget(self, place: Place) -> None:
        log.info("conversation reference forgotten")
        await self._book.forget(place)


def message(reference: Mapping[str, Any], card: Card | None, text: str, mention: Sender | None = None) -> Activity:
    """With a card the text is its summary: Teams would show a `text` beside the card."""
    activity: Activity = {
        "type": "message",
        "from": reference["bot"],
        "conversation": reference["conversation"],
        "channelId": reference["channelId"],
    }
    if card is not None:
        activity["summary"] = text[:LONGEST_SUMMARY]
        activity["attachments"] = [{"contentType": CARD, "content": card}]
    if mention is not None:
        activity |= _mentioning(mention, "" if card is not None else text)
    elif card is None:
        activity |= {"text": text, "textFormat": "plain"}
    return activity


def _mentioning(person: Sender, text: str) -> Activity:
    name = label(person.name.translate(_MARKS)) or "you"
    tag = f"<at>{name}</at>"
    mentioned = {"id": person.account or person.object_id, "name": name}
    return {
        "text": f"{tag} {html.escape(text, quote=False)}".strip(),
        "textFormat": "xml",
        "entities": [{"type": "mention", "text": tag, "mentioned": mentioned}],
    }
