"""A healthy tenant with a few people of every kind, served on Graph's wire and by a simulated probe."""

import copy
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bot.clock import VirtualClock
from bot.graph import Graph
from bot.reach import Reach
from bot.tried import Known
from infra.local.graph import GraphServer
from infra.local.site import SimulatedProbes
from infra.local.world import World
from skills.facts.reading import anchor_of

HEALTHY = Path(__file__).parents[1] / "cases" / "state-healthy-tenant.json"
Json = dict[str, Any]
DOMAIN = "DC=hq,DC=adatum,DC=jp"


def ident(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@cache
def _healthy() -> str:
    return HEALTHY.read_text(encoding="utf-8")


def in_ad(sam: str, name: str, **more: Any) -> Json:
    return {
        "distinguishedName": f"CN={name},OU=Shain,{DOMAIN}",
        "objectGUID": ident(f"ad/{sam}"),
        "objectClass": "user",
        "sAMAccountName": sam,
        "userPrincipalName": f"{sam}@adatum.jp",
        "displayName": name,
        "mail": f"{sam}@adatum.jp",
        "proxyAddresses": [f"SMTP:{sam}@adatum.jp"],
        "userAccountControl": 512,
        "whenCreated": "2026-01-05T10:00:00Z",
        "whenChanged": "2026-10-22T14:12:00Z",
        "memberOf": [],
        "deleted": False,
        "attributes": {},
    } | more


def in_cloud(sam: str, name: str, **more: Any) -> Json:
    return {
        "id": ident(f"cloud/{sam}"),
        "displayName": name,
        "userPrincipalName": f"{sam}@adatum.jp",
        "mail": f"{sam}@adatum.jp",
        "mailNickname": sam,
        "proxyAddresses": [f"SMTP:{sam}@adatum.jp"],
        "accountEnabled": True,
        "userType": "Member",
        "createdDateTime": "2026-01-05T10:05:00Z",
    } | more


def synced(sam: str, name: str, **more: Any) -> Json:
    own = {
        "onPremisesSyncEnabled": True,
        "onPremisesImmutableId": anchor_of(ident(f"ad/{sam}")),
        "onPremisesLastSyncDateTime": "2026-11-20T09:00:00Z",
        "onPremisesDistinguishedName": f"CN={name},OU=Shain,{DOMAIN}",
        "onPremisesDomainName": "hq.adatum.jp",
        "onPremisesSamAccountName": sam,
        "onPremisesUserPrincipalName": f"{sam}@adatum.jp",
        "onPremisesSecurityIdentifier": f"S-1-5-21-1-2-3-{sum(map(ord, sam))}",
    }
    return in_cloud(sam, name, **(own | more))


def deleted(sam: str, name: str, **more: Any) -> Json:
    key = ident(f"deleted/{sam}")
    upn = f"{key.replace('-', '')}{sam}@adatum.jp"
    return synced(sam, name, id=key, userPrincipalName=upn, deletedDateTime="2026-11-19T10:00:00Z", **more)


def document(**tenant: Any) -> Json:
    """`users`, `deletedUsers`, `groups`, `contacts` and `ad` replace those of the world; other keys of a tenant too."""
    case: Json = json.loads(_healthy())
    people = {
        "users": [
            synced("jdoe", "Jane Doe", employeeId="100042"),
            in_cloud("cloudy", "Claude Cloud"),
            in_cloud("twin", "Tom Twin"),
            synced("slee1", "Sam Lee"),
            synced("slee2", "Sam Lee"),
            synced("other", "Otto Other"),
        ],
        "deletedUsers": [deleted("gone", "Gia Gone")],
        "groups": [{"id": ident("group/sales"), "displayName": "GG-Sales", "mail": "sales@adatum.jp", "members": []}],
        "contacts": [],
    }
    ad = [
        in_ad("jdoe", "Jane Doe"),
        in_ad("adonly", "Ada Only"),
        in_ad("twin", "Tom Twin"),
        in_ad("slee1", "Sam Lee"),
        in_ad("slee2", "Sam Lee"),
        in_ad("other", "Otto Other"),
    ]
    case["sites"][0]["checks"]["directory"]["data"]["objects"] = tenant.pop("ad", ad)
    case["tenant"] |= people | tenant
    return case


@dataclass
class Served:
    reach: Reach
    server: GraphServer
    graph: Graph
    clock: VirtualClock


@asynccontextmanager
async def serving(case: Json | None = None) -> AsyncIterator[Served]:
    world = World.parse(copy.deepcopy(case or document()))
    clock = VirtualClock(world.at)
    stored = [entry for entry in world.tenant.get("provisionOnDemand") or () if entry.get("at")]
    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:
        reach = Reach(graph.counted(), SimulatedProbes(list(world.sites), clock), clock, Known(tuple(stored)))
        yield Served(reach, server, graph, clock)
