"""Activities as Teams sends them to a bot: somebody said something, pressed a button, or added the bot."""

import html
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.local.personas import BOT, BOT_NAME, CHANNEL, CHANNEL_NAME, TEAM, Persona, Scene

Activity = dict[str, Any]
LOCALE = "en-GB"


@dataclass(frozen=True)
class Post:
    """Who acts, where, and when: what every activity says of itself."""

    persona: Persona
    scene: Scene
    at: datetime
    service_url: str
    tenant_id: str
    thread: str | None = None
    """In a channel: the message that began the thread."""

    @property
    def conversation(self) -> str:
        if self.scene is Scene.PERSONAL:
            return self.persona.personal_chat
        return f"{CHANNEL};messageid={self.thread}" if self.thread else CHANNEL


def said(post: Post, ident: str, text: str) -> Activity:
    """In a channel a bot hears only what mentions it."""
    written = html.escape(text, quote=False)
    entities: list[Activity] = [{"type": "clientInfo", "locale": LOCALE, "country": "GB", "platform": "Web"}]
    if post.scene is Scene.CHANNEL:
        tag = f"<at>{BOT_NAME}</at>"
        written = f"{tag} {written}"
        entities.append({"type": "mention", "mentioned": {"id": BOT, "name": BOT_NAME}, "text": tag})
    spoken = {"id": ident, "text": written, "textFormat": "plain", "entities": entities}
    return _activity(post, "message") | spoken


def pressed(post: Post, message_id: str, verb: str, data: Mapping[str, Any]) -> Activity:
    """Action.Execute: what stands in the button, with what was typed into the card's fields."""
    action = {"type": "Action.Execute", "id": "", "title": "", "verb": verb, "data": dict(data)}
    activity = _activity(post, "invoke") | {
        "id": f"f:{uuid.uuid4()}",
        "name": "adaptiveCard/action",
        "value": {"action": action, "trigger": "manual"},
        "replyToId": message_id,
    }
    activity["channelData"] |= {"source": {"name": "message"}, "legacy": {"replyToId": f"1:{message_id}"}}
    return activity


def added(post: Post) -> Activity:
    """The bot was installed in the team, or for the person."""
    activity = _activity(post, "conversationUpdate") | {"id": f"f:{uuid.uuid4()}", "membersAdded": [{"id": BOT}]}
    if post.scene is Scene.CHANNEL:
        activity["channelData"] |= {"eventType": "teamMemberAdded"}
    return activity


def _activity(post: Post, kind: str) -> Activity:
    stamp = post.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    persona = post.persona
    return {
        "type": kind,
        "timestamp": stamp,
        "serviceUrl": post.service_url,
        "channelId": "msteams",
        "from": {"id": persona.account, "name": persona.name, "aadObjectId": persona.object_id},
        "recipient": {"id": BOT, "name": BOT_NAME},
        "conversation": _conversation(post),
        "channelData": _channel_data(post),
        "locale": LOCALE,
    }


def _conversation(post: Post) -> Activity:
    told: Activity = {"id": post.conversation, "conversationType": str(post.scene), "tenantId": post.tenant_id}
    return told | ({"isGroup": True} if post.scene is Scene.CHANNEL else {})


def _channel_data(post: Post) -> Activity:
    told: Activity = {"tenant": {"id": post.tenant_id}}
    if post.scene is Scene.CHANNEL:
        told |= {"teamsChannelId": CHANNEL, "teamsTeamId": TEAM}
        told |= {"channel": {"id": CHANNEL, "name": CHANNEL_NAME}, "team": {"id": TEAM, "name": "Identity"}}
    return told
