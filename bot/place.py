"""Reads where an activity comes from: the place, its conversation reference, and who spoke there."""

import hashlib
from collections.abc import Mapping
from typing import Any

from bot.activity_text import guid, label
from bot.turns import ChatKind, Place, Sender

JsonObject = dict[str, Any]


def place_of(activity: Mapping[str, Any]) -> Place:
    """Of a checked activity: the tenant and the ids are there."""
    conversation = activity["conversation"]
    tenant = tenant_of(activity)
    kind = _kind(conversation)
    reference = {
        "serviceUrl": activity["serviceUrl"],
        "channelId": activity["channelId"],
        "conversation": _conversation(conversation, kind, tenant),
        "bot": _account(activity["recipient"]),
    }
    return Place(_key(tenant, conversation["id"]), kind, tenant, _channel(activity, kind), reference)


def personal_place(reference: Mapping[str, Any], conversation_id: str, sender: Sender) -> Place:
    """The bot's chat with one person, opened by us over the service that the reference names."""
    conversation = _conversation({"id": conversation_id}, ChatKind.PERSONAL, sender.tenant_id)
    key = _key(sender.tenant_id, conversation_id)
    return Place(key, ChatKind.PERSONAL, sender.tenant_id, None, {**reference, "conversation": conversation})


def sender_of(activity: Mapping[str, Any]) -> Sender | None:
    person = activity["from"]
    object_id = guid(person.get("aadObjectId"))
    if object_id is None:
        return None
    return Sender(object_id, tenant_of(activity), label(person.get("name")), person["id"])


def tenant_of(activity: Mapping[str, Any]) -> str:
    return str(activity["channelData"]["tenant"]["id"]).lower()


def _kind(conversation: Mapping[str, Any]) -> ChatKind:
    """What is not surely private or closed counts as a channel, where least may be shown."""
    known = {"personal": ChatKind.PERSONAL, "groupChat": ChatKind.GROUP}
    kind = conversation.get("conversationType")
    return known.get(kind, ChatKind.CHANNEL) if isinstance(kind, str) else ChatKind.CHANNEL


def _channel(activity: Mapping[str, Any], kind: ChatKind) -> str | None:
    if kind is not ChatKind.CHANNEL:
        return None
    channel = activity["channelData"].get("channel")
    named = channel.get("id") if isinstance(channel, dict) else None
    return named if isinstance(named, str) else str(activity["conversation"]["id"]).partition(";")[0]


def _conversation(conversation: Mapping[str, Any], kind: ChatKind, tenant: str) -> JsonObject:
    shape = {ChatKind.PERSONAL: "personal", ChatKind.GROUP: "groupChat", ChatKind.CHANNEL: "channel"}[kind]
    return {"id": conversation["id"], "conversationType": shape, "tenantId": tenant}


def _account(account: Mapping[str, Any]) -> JsonObject:
    return {"id": account["id"], "name": label(account.get("name"))}


def _key(tenant: str, conversation_id: str) -> str:
    return hashlib.sha256(f"{tenant}|{conversation_id}".encode()).hexdigest()[:40]
