"""The published keys: fetched in the background, kept when the fetch fails, never fetched in a storm."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from connector_service import (
    APP,
    KEY,
    NOON,
    OTHER_KEY,
    TENANT,
    ConnectorService,
    Desk,
    IdentityService,
    activity,
    desk,
    published,
    serving,
    token,
)

from bot.clock import VirtualClock
from bot.inbound import (
    NotReady,
    ServiceUrls,
    TokenGate,
    parse_activity,
)
from bot.signing_keys import KeySet
from bot.teams import TeamsAdapter

JSON = {"Content-Type": "application/json"}
SMBA = "https://smba.trafficmanager.net/emea/"


@pytest.fixture
async def there() -> AsyncIterator[Desk]:
    async with desk(TeamsAdapter) as one:
        yield one


def parsed(**changes: Any) -> dict[str, Any]:
    return parse_activity(json.dumps(activity(SMBA, **changes)).encode(), JSON)


@pytest.fixture
async def identity() -> AsyncIterator[IdentityService]:
    service = IdentityService()
    async with serving(ConnectorService(VirtualClock(NOON)), service):
        yield service


async def test_a_rotated_key_is_found_at_once_but_unknown_ids_do_not_cause_a_storm(there: Desk) -> None:
    there.identity.keys = [published(KEY), published(OTHER_KEY)]
    bearer = token(there.service_url, key=OTHER_KEY, header={"kid": "second"})
    assert (await there.post(there.activity(), bearer=bearer))[0] == 401
    assert there.identity.fetches == 1
    there.clock.advance(31)
    answers = await asyncio.gather(*(there.post(there.activity(), bearer=bearer) for _ in range(20)))
    assert ([status for status, _ in answers], there.identity.fetches) == ([200] * 20, 2)
    for number in range(5):
        unknown = token(there.service_url, key=OTHER_KEY, header={"kid": f"unknown-{number}"})
        assert (await there.post(there.activity(), bearer=unknown))[0] == 401
    assert there.identity.fetches == 2


async def test_the_last_good_set_stays_when_a_refresh_fails(there: Desk) -> None:
    there.identity.broken = True
    there.clock.advance(31)
    unknown = token(there.service_url, header={"kid": "unknown"})
    assert (await there.post(there.activity(), bearer=unknown))[0] == 401
    assert there.identity.fetches == 2
    assert (await there.post(there.activity()))[0] == 200


async def test_a_withdrawn_key_is_trusted_no_longer(there: Desk) -> None:
    assert (await there.post(there.activity()))[0] == 200
    there.identity.keys = [published(OTHER_KEY)]
    there.clock.advance(31)
    await there.post(there.activity(), bearer=token(there.service_url, key=OTHER_KEY, header={"kid": "second"}))
    assert (await there.post(there.activity()))[0] == 401


async def test_without_any_keys_nobody_can_be_judged(identity: IdentityService) -> None:
    identity.broken = True
    clock = VirtualClock(NOON)
    async with aiohttp.ClientSession() as session, KeySet(session, f"{identity.url}/openid", clock) as keys:
        gate = TokenGate(APP, frozenset({TENANT}), ServiceUrls(), clock, keys)
        with pytest.raises(NotReady) as refused:
            await gate.admit(parsed(), [f"Bearer {token(SMBA)}"], "127.0.0.1")
    assert refused.value.status == 503


async def test_a_slow_key_server_holds_a_request_only_shortly(identity: IdentityService) -> None:
    identity.delay = 5
    clock = VirtualClock(NOON)
    async with (
        aiohttp.ClientSession() as session,
        KeySet(session, f"{identity.url}/openid", clock, patience=0.05) as keys,
        asyncio.timeout(1),
    ):
        assert await keys.find("first") is None


async def test_keys_are_fetched_again_by_the_day(identity: IdentityService) -> None:
    async with aiohttp.ClientSession() as session:
        async with KeySet(session, f"{identity.url}/openid", VirtualClock(NOON), refresh_every=0.02) as keys:
            await keys.find("first")
            identity.keys = [published(OTHER_KEY)]
            async with asyncio.timeout(3):
                while identity.fetches < 4:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
            assert await keys.find("second") is not None
            assert keys._task is not None
            task = keys._task
        assert task.cancelled()


@pytest.mark.parametrize("jwks_uri", [None, 7, "http://login.botframework.com/keys", "file:///etc/passwd", "keys"])
async def test_keys_are_read_from_a_safe_address_only(identity: IdentityService, jwks_uri: Any) -> None:
    identity.metadata = {"jwks_uri": jwks_uri}
    async with (
        aiohttp.ClientSession() as session,
        KeySet(session, f"{identity.url}/openid", VirtualClock(NOON)) as keys,
    ):
        assert await keys.find("first") is None
        assert keys.age is None


@pytest.mark.parametrize(
    ("metadata", "url", "trusted"),
    [
        ("https://login.botframework.com/x", "https://login.botframework.com/keys", True),
        ("https://login.botframework.com/x", "http://login.botframework.com/keys", False),
        ("https://login.botframework.com/x", "http://127.0.0.1/keys", False),
        ("http://127.0.0.1/x", "http://127.0.0.1/keys", True),
        ("http://127.0.0.1/x", "http://192.168.0.1/keys", False),
    ],
)
async def test_plain_http_is_trusted_within_this_machine_only(metadata: str, url: str, trusted: bool) -> None:
    async with aiohttp.ClientSession() as session:
        assert KeySet(session, metadata, VirtualClock(NOON))._trusted(url) is trusted


async def test_keys_that_are_not_for_signing_are_left_out(identity: IdentityService) -> None:
    good = published(KEY)
    identity.keys = [
        good,
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "short", "n": good["n"][:128]},
        {**good, "kid": "broken", "n": "!" * 400},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "endorsements": ["msteams"]},
        {"kty": "RSA"},
        7,  # type: ignore[list-item]  # what a broken server may send
    ]
    async with (
        aiohttp.ClientSession() as session,
        KeySet(session, f"{identity.url}/openid", VirtualClock(NOON)) as keys,
    ):
        assert await keys.find("first") is not None
        found = [await keys.find(kid) for kid in ("enc", "short", "broken", "secret")]
    assert found == [None] * 4
