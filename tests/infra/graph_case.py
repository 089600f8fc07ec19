"""A small case and a plain client, shared by the tests of the simulated Graph."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp

from bot.clock import VirtualClock
from infra.local.graph import GraphServer
from infra.local.world import World

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
JDOE = "e0a9b8c7-6d5e-4f3a-9b2c-1d0e9f8a7b62"
KIM = "11111111-6d5e-4f3a-9b2c-1d0e9f8a7b62"
GONE = "22222222-6d5e-4f3a-9b2c-1d0e9f8a7b62"
INNER = "33333333-6d5e-4f3a-9b2c-1d0e9f8a7b62"
OUTER = "44444444-6d5e-4f3a-9b2c-1d0e9f8a7b62"
SP = "9b2c7a10-3d4e-4f5a-8b6c-0a1b2c3d4e5f"
JOB = "AD2AADProvisioning.5a1d"
DN = "CN=Jane Doe,OU=Staff,DC=corp,DC=contoso,DC=com"
ADVANCED = {"ConsistencyLevel": "eventual"}
JOBS = f"/v1.0/servicePrincipals/{SP}/synchronization/jobs"


def user(key: str, name: str, sam: str, **more: Any) -> dict[str, Any]:
    return {
        "id": key,
        "displayName": name,
        "userPrincipalName": f"{sam}@contoso.com",
        "mail": f"{sam}@contoso.com",
        "proxyAddresses": [f"SMTP:{sam}@contoso.com"],
        "onPremisesSamAccountName": sam,
        "onPremisesImmutableId": f"{sam}+A==",
        "onPremisesDistinguishedName": f"CN={name},OU=Staff,DC=corp,DC=contoso,DC=com",
        "createdDateTime": "2026-01-05T10:00:00Z",
    } | more


def row(n: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"row-{n}",
        "activityDateTime": f"2026-11-20T08:{n:02}:00Z",
        "jobId": JOB,
        "provisioningAction": "create",
        "sourceIdentity": {"id": f"source-{n}", "displayName": f"Person{n}@contoso.com"},
        "targetIdentity": {"id": ""},
        "provisioningStatusInfo": {"status": "success", "errorInformation": None},
    } | more


def case(**tenant: Any) -> dict[str, Any]:
    job = {
        "id": JOB,
        "schedule": {"state": "Active"},
        "status": {
            "code": "Quarantine",
            "quarantine": {"reason": "TooManyDeletes"},
            "lastExecution": {"countEscrowed": 7},
        },
        "schema": {"synchronizationRules": [{"id": "rule-1"}]},
    }
    told = {
        "organization": {"id": "5a1d2c3b-1111-4222-8333-0123456789ab", "displayName": "Contoso"},
        "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
        "users": [user(JDOE, "Jane Doe", "jdoe"), user(KIM, "Kim O'Brien", "kim", onPremisesSyncEnabled=True)],
        "deletedUsers": [user(GONE, "Gone Girl", "gone", deletedDateTime="2026-11-19T10:00:00Z")],
        "groups": [
            {"id": INNER, "displayName": "Inner", "members": [JDOE], "securityEnabled": True},
            {"id": OUTER, "displayName": "Outer", "members": [INNER], "securityEnabled": False},
        ],
        "servicePrincipals": [
            {
                "id": SP,
                "displayName": "corp.contoso.com",
                "applicationTemplateId": "1a4721b3-e57f-4451-ae87-ef078703ec94",
                "jobs": [job],
                "secrets": [{"key": "SyncNotificationSettings", "value": "{}"}],
            },
        ],
        "provisioningLogs": [row(n) for n in range(5)],
        "roleAssignments": [
            {"principalId": JDOE, "role": "Exchange Administrator", "eligible": True},
            {"principalId": KIM, "role": "Global Administrator"},
        ],
        "agents": [{"id": "a1", "machineName": "SRV-A", "status": "Active", "agentGroups": [{"id": "g1"}]}],
        "onPremisesSyncBehavior": {KIM: {"isCloudManaged": True}},
        "serviceHealth": [{"id": "MO1", "service": "Microsoft Entra", "isResolved": False}],
    }
    return {"case": 1, "at": "2026-11-20T09:30:00Z", "tenant": told | tenant}


class Client:
    def __init__(self, session: aiohttp.ClientSession, server: GraphServer) -> None:
        self.server = server
        self._session = session

    async def ask(self, path: str, status: int = 200, **options: Any) -> Any:
        method = options.pop("method", "GET")
        async with self._session.request(method, self.server.url + path, **options) as reply:
            text = await reply.text()
            assert reply.status == status, text
            assert reply.headers["request-id"]
            return json.loads(text) if text else None

    async def filtered(self, path: str, text: str, status: int = 200, *, advanced: bool = False, **more: str) -> Any:
        params = {"$filter": text, **more} | ({"$count": "true"} if advanced else {})
        told = await self.ask(path, status, params=params, headers=ADVANCED if advanced else {})
        return [found["id"] for found in told["value"]] if status == 200 else told["error"]["code"]

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return await self.ask(path, status, method="POST", json=body)


@asynccontextmanager
async def serving(document: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Client]:
    clock = options.pop("clock", None) or VirtualClock(AT)
    world = World.parse(document or case())
    async with GraphServer(world, clock, **options) as server, aiohttp.ClientSession() as session:
        yield Client(session, server)
