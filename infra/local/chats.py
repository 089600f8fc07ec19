"""What was said on the chat page's Teams: messages, their edits, and who sees them as they come."""

import asyncio
import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.clock import Clock
from infra.local.personas import CHANNEL, PERSONAS, Persona, Scene

CARD = "application/vnd.microsoft.card.adaptive"
BACKLOG = 500
"""Events that a slow page may be behind; beyond that it is cut off, and reads everything again."""
_THREAD = re.compile(r"(?P<chat>[^;]+);messageid=(?P<root>\d+)")
_MENTION = re.compile(r"<at>([^<>]*)</at>")

Event = dict[str, Any]


class ChatError(Exception):
    """Something asked of the simulated Teams cannot be done; the text says what, to whoever asked.

    ChatError
      BadSyntax       the request makes no sense
      NoSuchChat      nobody meets there
      NoSuchMessage   never sent, or deleted
      NoRoster        the person does not have the bot
      BotUnreached    the bot did not take the activity
    """

    status, code = 400, "BadSyntax"


class BadSyntax(ChatError):  # noqa: N818  # these are named after the Connector's error codes
    pass


class NoSuchChat(ChatError):  # noqa: N818  # as above
    status, code = 404, "ConversationNotFound"


class NoSuchMessage(ChatError):  # noqa: N818  # as above
    status, code = 404, "ActivityNotFoundInConversation"


class NoRoster(ChatError):  # noqa: N818  # as above
    status, code = 403, "BotNotInConversationRoster"


class BotUnreached(ChatError):  # noqa: N818  # as above
    status, code = 502, "BotUnreached"


@dataclass(frozen=True)
class Content:
    text: str = ""
    card: dict[str, Any] | None = None
    summary: str = ""
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    ident: str
    chat: str
    thread: str
    """The message that began the thread; in a personal chat its own id."""
    sender: str
    """A persona's key, or the bot."""
    at: datetime
    content: Content
    edited: bool = False

    def as_json(self) -> dict[str, Any]:
        shown = {"text": self.content.text, "card": self.content.card, "summary": self.content.summary}
        return shown | {
            "id": self.ident,
            "scene": scene_of(self.chat),
            "thread": self.thread,
            "sender": self.sender,
            "at": self.at.isoformat(),
            "mentions": list(self.content.mentions),
            "edited": self.edited,
        }


class Chats:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: dict[str, dict[str, Message]] = {CHANNEL: {}}
        self._messages |= {persona.personal_chat: {} for persona in PERSONAS.values()}
        self._listeners: dict[asyncio.Queue[Event | None], tuple[str, ...]] = {}
        self._last = 0

    def post(self, conversation: str, sender: str, content: Content, reply_to: str | None = None) -> Message:
        """Into a chat, or into the thread that the conversation's id or `reply_to` names."""
        chat, root = self._place(conversation)
        ident = self._next_id()
        thread = root or (reply_to if chat == CHANNEL and reply_to in self._messages[chat] else None)
        message = Message(ident, chat, thread or ident, sender, self._clock.now(), content)
        self._messages[chat][ident] = message
        self._tell(chat, {"kind": "message", "message": message.as_json()})
        return message

    def edit(self, conversation: str, ident: str, content: Content) -> None:
        message = self.find(conversation, ident)
        edited = replace(message, content=content, edited=True)
        self._messages[message.chat][ident] = edited
        self._tell(message.chat, {"kind": "message", "message": edited.as_json()})

    def delete(self, conversation: str, ident: str) -> None:
        message = self.find(conversation, ident)
        del self._messages[message.chat][ident]
        self._tell(message.chat, {"kind": "gone", "id": ident})

    def typing(self, conversation: str) -> None:
        chat, root = self._place(conversation)
        self._tell(chat, {"kind": "typing", "scene": scene_of(chat), "thread": root})

    def find(self, conversation: str, ident: str) -> Message:
        chat, _ = self._place(conversation)
        try:
            return self._messages[chat][ident]
        except KeyError:
            raise NoSuchMessage("The message exists no longer.") from None

    def messages(self, conversation: str) -> list[Message]:
        return list(self._messages[self._place(conversation)[0]].values())

    @contextlib.contextmanager
    def heard_by(self, persona: Persona) -> Iterator[asyncio.Queue[Event | None]]:
        """All that the persona may see so far, then each change; None means: fell behind, or it is over."""
        chats = (CHANNEL, persona.personal_chat)
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        said = [message.as_json() for chat in chats for message in self._messages[chat].values()]
        queue.put_nowait({"kind": "all", "messages": said})
        self._listeners[queue] = chats
        try:
            yield queue
        finally:
            self._listeners.pop(queue, None)

    def close(self) -> None:
        for queue in self._listeners:
            queue.put_nowait(None)

    def _place(self, conversation: str) -> tuple[str, str | None]:
        thread = _THREAD.fullmatch(conversation)
        chat, root = (thread["chat"], thread["root"]) if thread else (conversation, None)
        if chat not in self._messages or (root and root not in self._messages[chat]):
            raise NoSuchChat("There is no such conversation.")
        return chat, root

    def _next_id(self) -> str:
        """As Teams names messages: the moment in milliseconds, never twice the same."""
        self._last = max(self._last + 1, int(self._clock.now().timestamp() * 1000))
        return str(self._last)

    def _tell(self, chat: str, event: Event) -> None:
        for queue in [queue for queue, chats in self._listeners.items() if chat in chats]:
            if queue.qsize() < BACKLOG:
                queue.put_nowait(event)
            else:
                del self._listeners[queue]
                queue.put_nowait(None)


def scene_of(chat: str) -> Scene:
    return Scene.CHANNEL if chat == CHANNEL else Scene.PERSONAL


def content_of(activity: dict[str, Any]) -> Content:
    """What an activity of the bot shows. Marks become plain text: the page never reads any as HTML."""
    text = str(activity.get("text") or "")
    mentions: tuple[str, ...] = ()
    if activity.get("textFormat") == "xml":
        mentions = tuple(html.unescape(name) for name in _MENTION.findall(text))
        text = html.unescape(_MENTION.sub(r"\1", text))
    attachments = activity.get("attachments") or ()
    card = next((each.get("content") for each in attachments if each.get("contentType") == CARD), None)
    return Content(text, card, str(activity.get("summary") or ""), mentions)
