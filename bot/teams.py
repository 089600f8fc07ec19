"""The bot library's place: the only file that knows botbuilder. Behind it stand our own words (bot/turns.py)."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botbuilder.core import BotAdapter, TurnContext
from botbuilder.core.teams import TeamsActivityHandler
from botbuilder.schema import (
    Activity,
    ActivityTypes,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
    InvokeResponse,
    ResourceResponse,
)

from bot.activity_text import words
from bot.connector import ConnectorClient
from bot.door import InvokeAnswer
from bot.outlet import CARD, ConnectorOutlet, ReferenceBook
from bot.place import place_of, sender_of
from bot.turns import Card, Joined, Listener, Outlet, Place, Pressed, Removed, Said, Sender

JsonObject = dict[str, Any]

MOST_INPUTS = 30
LONGEST_INPUT = 4_000
OUR_KEYS = frozenset({"verb", "action_id"})

_ACTION_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_VERB = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Arrival:
    """What the checks and the conversation reference say of an activity; handlers believe this and nothing else."""

    place: Place
    sender: Sender | None
    new: bool
    late: asyncio.Event


class TeamsAdapter(BotAdapter):  # type: ignore[misc]  # the library is untyped
    """Carries botbuilder's turns over our own connector client."""

    def __init__(self, listener: Listener, connector: ConnectorClient, book: ReferenceBook) -> None:
        super().__init__()
        self._connector, self._book = connector, book
        self.outlet: Outlet = ConnectorOutlet(connector, book)
        self._handler = TeamsHandler(listener, self.outlet, book)

    async def turn(self, activity: JsonObject, late: asyncio.Event) -> InvokeAnswer | None:
        place, sender = place_of(activity), sender_of(activity)
        context = TurnContext(self, _activity(activity))
        context.turn_state[Arrival] = Arrival(place, sender, await self._book.keep(place, sender), late)
        await self.run_pipeline(context, self._handler.on_turn)
        answer = context.turn_state.get(BotAdapter._INVOKE_RESPONSE_KEY)  # noqa: SLF001 - the library's own protocol
        return InvokeAnswer(answer.value.status, answer.value.body) if answer is not None else None

    async def tell(self, activity: JsonObject, sentence: str) -> None:
        await self.outlet.send(place_of(activity), None, sentence)

    def answer(self, activity: JsonObject, sentence: str, status: int = 200) -> InvokeAnswer:
        return InvokeAnswer(200, _shaped(activity.get("name"), sentence, status))

    async def send_activities(self, context: TurnContext, activities: list[Activity]) -> list[ResourceResponse]:
        return [await self._send(context, activity) for activity in activities]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        await self._connector.update(_reference(context.activity), activity.id, activity.serialize())
        return ResourceResponse(id=activity.id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        await self._connector.delete(_reference(context.activity), reference.activity_id)

    async def _send(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        if activity.type == ActivityTypes.invoke_response:
            context.turn_state[BotAdapter._INVOKE_RESPONSE_KEY] = activity  # noqa: SLF001 - as above
            return ResourceResponse()
        if activity.type == ActivityTypes.trace:
            return ResourceResponse()
        if activity.type == ActivityTypes.typing:
            await self._connector.typing(_reference(context.activity))
            return ResourceResponse()
        if context.activity.type == ActivityTypes.event:
            activity.reply_to_id = None  # the library continues a conversation from an event that nobody sent
        return ResourceResponse(id=await self._connector.send(_reference(context.activity), activity.serialize()))


class TeamsHandler(TeamsActivityHandler):  # type: ignore[misc]  # the library is untyped
    """Tells the listener, in our words, what happened; everything else that Teams sends is let pass."""

    def __init__(self, listener: Listener, outlet: Outlet, book: ReferenceBook) -> None:
        self._listener, self._outlet, self._book = listener, outlet, book

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        activity, arrival = turn_context.activity, _arrival(turn_context)
        if isinstance(activity.value, dict) and ("verb" in activity.value or not activity.text.strip()):
            await self._submitted(activity, arrival)
        elif arrival.sender is not None:
            await self._listener.said(_said(activity, arrival, arrival.sender), self._outlet)

    async def on_message_update_activity(self, turn_context: TurnContext) -> None:
        """An edited question is a new one; other updates are none."""
        activity, arrival = turn_context.activity, _arrival(turn_context)
        if activity.channel_data.get("eventType") == "editMessage" and arrival.sender is not None:
            await self._listener.said(_said(activity, arrival, arrival.sender, edited=True), self._outlet)

    async def on_message_delete_activity(self, turn_context: TurnContext) -> None:
        """What was answered stays answered."""

    async def on_conversation_update_activity(self, turn_context: TurnContext) -> None:
        activity = turn_context.activity
        if _names(activity.members_added, activity.recipient.id):
            await self._joined(_arrival(turn_context))
        elif _names(activity.members_removed, activity.recipient.id):
            await self._removed(_arrival(turn_context))

    async def on_installation_update(self, turn_context: TurnContext) -> None:
        """An upgrade neither joins nor removes."""
        if turn_context.activity.action == "add":
            await self._joined(_arrival(turn_context))
        elif turn_context.activity.action == "remove":
            await self._removed(_arrival(turn_context))

    async def on_invoke_activity(self, turn_context: TurnContext) -> InvokeResponse:
        activity, arrival = turn_context.activity, _arrival(turn_context)
        if activity.name not in _INVOKES:
            return InvokeResponse(status=501)
        pressed = _pressed(activity, arrival)
        if pressed is None:
            body = _shaped(activity.name, "This button is not one of mine.", 400)
            return InvokeResponse(status=200, body=body)
        answer = await self._listener.pressed(pressed, self._outlet)
        if arrival.late.is_set():
            await self._show_late(pressed, answer)
        return InvokeResponse(status=200, body=_shaped(activity.name, answer))

    async def _submitted(self, activity: Activity, arrival: Arrival) -> None:
        """Clients without Action.Execute send the press as a message; its answer is a message, too."""
        pressed = _pressed(activity, arrival)
        if pressed is not None:
            await self._show_late(pressed, await self._listener.pressed(pressed, self._outlet))

    async def _show_late(self, pressed: Pressed, answer: Card | str) -> None:
        if isinstance(answer, str):
            await self._outlet.send(pressed.place, None, answer)
        elif pressed.message_id is not None:
            await self._outlet.update(pressed.place, pressed.message_id, answer, _text(answer.get("fallbackText")))
        else:
            await self._outlet.send(pressed.place, answer, _text(answer.get("fallbackText")))

    async def _joined(self, arrival: Arrival) -> None:
        """Teams announces an installation twice; the first one greets."""
        if arrival.new:
            await self._listener.joined(Joined(arrival.place, arrival.sender), self._outlet)

    async def _removed(self, arrival: Arrival) -> None:
        await self._book.forget(arrival.place)
        await self._listener.removed(Removed(arrival.place, arrival.sender))


def _arrival(context: TurnContext) -> Arrival:
    arrival: Arrival = context.turn_state[Arrival]
    return arrival


def _activity(body: JsonObject) -> Activity:
    """Only the fields we understand cross, each of the type it should have."""
    return Activity(
        type=body["type"],
        id=_text(body.get("id")),
        name=_text(body.get("name")),
        action=_text(body.get("action")),
        text=_text(body.get("text")),
        locale=_text(body.get("locale")),
        reply_to_id=_text(body.get("replyToId")),
        service_url=body["serviceUrl"],
        channel_id=body["channelId"],
        channel_data=body["channelData"],
        conversation=ConversationAccount(id=body["conversation"]["id"]),
        from_property=ChannelAccount(id=body["from"]["id"]),
        recipient=ChannelAccount(id=body["recipient"]["id"]),
        entities=body.get("entities"),
        members_added=body.get("membersAdded"),
        members_removed=body.get("membersRemoved"),
        value=body.get("value"),
    )


def _reference(activity: Activity) -> JsonObject:
    return {
        "serviceUrl": activity.service_url,
        "channelId": activity.channel_id,
        "conversation": {"id": activity.conversation.id},
        "bot": {"id": activity.recipient.id},
    }


def _said(activity: Activity, arrival: Arrival, sender: Sender, *, edited: bool = False) -> Said:
    heard = words(activity.text, activity.entities, activity.recipient.id)
    locale = _locale(activity.locale)
    return Said(heard.text, sender, arrival.place, activity.id, heard.mentions, heard.quoted, edited, locale)


def _pressed(activity: Activity, arrival: Arrival) -> Pressed | None:
    """The verb and an opaque id; nothing else in a card's data has a meaning of its own."""
    value = activity.value if isinstance(activity.value, dict) else {}
    verb, data = _INVOKES.get(activity.name, _submit_data)(value)
    if arrival.sender is None or not isinstance(verb, str) or not _VERB.fullmatch(verb):
        return None
    action_id = data.get("action_id")
    known = isinstance(action_id, str) and _ACTION_ID.fullmatch(action_id) is not None
    return Pressed(
        verb,
        action_id if known else None,
        _inputs(data),
        arrival.sender,
        arrival.place,
        activity.id,
        activity.reply_to_id or None,
        automatic=value.get("trigger") == "automatic",
        locale=_locale(activity.locale),
    )


def _inputs(data: JsonObject) -> dict[str, str]:
    given = [(key[:64], text[:LONGEST_INPUT]) for key, text in data.items() if isinstance(text, str)]
    return dict([(key, text) for key, text in given if key not in OUR_KEYS][:MOST_INPUTS])


def _submit_data(value: JsonObject) -> tuple[object, JsonObject]:
    return value.get("verb"), value


def _execute_data(value: JsonObject) -> tuple[object, JsonObject]:
    action = value.get("action")
    if not isinstance(action, dict) or action.get("type", "Action.Execute") != "Action.Execute":
        return None, {}
    data = action.get("data")
    return action.get("verb"), data if isinstance(data, dict) else {}


def _task_data(value: JsonObject) -> tuple[object, JsonObject]:
    data = value.get("data")
    return _submit_data(data) if isinstance(data, dict) else (None, {})


def _message_action(value: JsonObject) -> tuple[object, JsonObject]:
    """A command on somebody's message: that message's text comes as an input, to be read, not obeyed."""
    data, payload = value.get("data"), value.get("messagePayload")
    body = payload.get("body") if isinstance(payload, dict) else None
    content = body.get("content") if isinstance(body, dict) else None
    inputs = dict(data) if isinstance(data, dict) else {}
    if isinstance(content, str):
        inputs["message"] = words(_TAG.sub(" ", content), None, "").text
    return value.get("commandId"), inputs


_INVOKES: dict[str, Callable[[JsonObject], tuple[object, JsonObject]]] = {
    "adaptiveCard/action": _execute_data,
    "task/fetch": _task_data,
    "task/submit": _task_data,
    "composeExtension/fetchTask": _message_action,
    "composeExtension/submitAction": _message_action,
}


def _shaped(name: object, answer: Card | str, status: int = 200) -> JsonObject:
    """The answer in the form that this kind of invoke expects."""
    if name != "adaptiveCard/action":
        return {"task": _task(answer)}
    if isinstance(answer, dict):
        return {"statusCode": status, "type": CARD, "value": answer}
    if status == 200:
        return {"statusCode": status, "type": "application/vnd.microsoft.activity.message", "value": answer}
    error = {"code": _ERROR_CODES.get(status, "Error"), "message": answer}
    return {"statusCode": status, "type": "application/vnd.microsoft.error", "value": error}


_ERROR_CODES = {400: "BadRequest", 429: "TooManyRequests", 500: "InternalServerError"}


def _task(answer: Card | str) -> JsonObject:
    if isinstance(answer, str):
        return {"type": "message", "value": answer}
    return {"type": "continue", "value": {"title": "WhySync", "card": {"contentType": CARD, "content": answer}}}


def _names(members: object, account: str) -> bool:
    return isinstance(members, list) and any(isinstance(one, dict) and one.get("id") == account for one in members)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _locale(value: str) -> str | None:
    return value if _LOCALE.fullmatch(value) else None
