"""Rules 2 to 7: who may knock at the door. Token, address, channel, tenant, person."""

import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from connector_service import (
    ALICE,
    APP,
    KEY,
    NOON,
    OTHER_KEY,
    TENANT,
    Desk,
    activity,
    desk,
    published,
    token,
)
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc.jwk import OctKey

from bot.clock import VirtualClock
from bot.inbound import (
    Malformed,
    NotAllowed,
    NotProven,
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


# Rules 2 and 5: the token


async def test_a_signed_activity_is_admitted(there: Desk) -> None:
    assert await there.post(there.activity()) == (200, None)
    assert len(await there.listener.until()) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": [APP]},
        {"aud": ...},
        {"iss": "https://sts.windows.net/" + TENANT + "/"},
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"iss": "https://api.botframework.com/"},
        {"iss": ...},
        {"exp": int(NOON.timestamp()) - 360},
        {"nbf": int(NOON.timestamp()) + 360},
        {"exp": ...},
        {"nbf": ...},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_proves_nothing(there: Desk, claims: dict[str, Any]) -> None:
    assert await there.post(there.activity(), bearer=token(there.service_url, **claims)) == (401, None)
    await there.settled()
    assert there.listener.heard == []


@pytest.mark.parametrize(
    "claims", [{"exp": int(NOON.timestamp()) - 290}, {"nbf": int(NOON.timestamp()) + 290}], ids=str
)
async def test_five_minutes_of_clock_difference_are_forgiven(there: Desk, claims: dict[str, Any]) -> None:
    assert (await there.post(there.activity(), bearer=token(there.service_url, **claims)))[0] == 200


async def test_a_token_signed_by_another_key_under_a_known_id_is_refused(there: Desk) -> None:
    assert (await there.post(there.activity(), bearer=token(there.service_url, key=OTHER_KEY)))[0] == 401


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(there: Desk) -> None:
    secret = OctKey.import_key(KEY.as_pem(private=False)[27:])
    forged = token(there.service_url, key=secret, header={"alg": "HS256"})
    assert (await there.post(there.activity(), bearer=forged))[0] == 401


@pytest.mark.parametrize("algorithm", ["RS384", "PS256"])
async def test_other_algorithms_are_refused_even_with_the_right_key(there: Desk, algorithm: str) -> None:
    bearer = token(there.service_url, header={"alg": algorithm})
    assert (await there.post(there.activity(), bearer=bearer))[0] == 401


async def test_a_token_without_signature_is_refused(there: Desk) -> None:
    _, payload, _ = token(there.service_url).split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ"
    for forged in (f"{none}.{payload}.", f"{none}.{payload}.AAAA", f"{none}.{payload}"):
        assert (await there.post(there.activity(), bearer=forged))[0] == 401


def handmade(header: dict[str, Any], service_url: str) -> str:
    """Properly signed, whatever stands in the header."""
    head = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    signed = head + b"." + token(service_url).split(".")[1].encode()
    signature = KEY.private_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({}, 200),
        ({"new": "field"}, 200),
        ({"jku": "http://127.0.0.1:1/keys"}, 200),
        ({"kid": ""}, 401),
        ({"kid": ["first"]}, 401),
        ({"crit": ["x"], "x": 1}, 401),
        ({"alg": ["RS256"]}, 401),
        ({"alg": "none"}, 401),
    ],
    ids=str,
)
async def test_header_fields_choose_the_key_and_nothing_else(there: Desk, extra: dict[str, Any], status: int) -> None:
    bearer = handmade({"alg": "RS256", "kid": "first", "typ": "JWT", "x5t": "first", **extra}, there.service_url)
    assert (await there.post(there.activity(), bearer=bearer))[0] == status


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  {}",
        "bearer {}",
        "Bearer {} {}",
        "Bearer {},{}",
        "Basic {}",
        "{}",
        "Bearer x.y",
    ],
)
async def test_only_one_plain_bearer_token_is_read(there: Desk, value: str | None) -> None:
    good = token(there.service_url)
    headers = {} if value is None else {"Authorization": value.replace("{}", good)}
    assert await there.post_raw(json.dumps(there.activity()).encode(), headers) == (401, None)


async def test_two_authorization_headers_are_refused(there: Desk) -> None:
    good = f"Bearer {token(there.service_url)}"
    headers = [("Content-Type", "application/json"), ("Authorization", good), ("Authorization", good)]
    async with there.session.post(there.url, data=json.dumps(there.activity()), headers=headers) as answer:
        assert answer.status == 401


# Rule 3: the address


async def test_the_body_must_name_the_address_of_the_token(there: Desk) -> None:
    body = there.activity()
    assert (await there.post(body, bearer=token(there.service_url + "x/")))[0] == 403
    assert (await there.post(body, bearer=token(there.service_url, serviceurl=...)))[0] == 403
    body.pop("serviceUrl")
    assert (await there.post(body, bearer=token(there.service_url)))[0] == 400


async def test_a_signed_address_outside_the_list_is_refused(there: Desk) -> None:
    body = there.activity(serviceUrl="https://evil.example/")
    assert (await there.post(body, bearer=token("https://evil.example/")))[0] == 403
    await there.settled()
    assert there.listener.heard == []


# Rule 4: the channel


@pytest.mark.parametrize(
    "channel", ["webchat", "directline", "emulator", "MSTEAMS", "", None, ["msteams"], ...], ids=str
)
async def test_only_teams_is_served_even_if_the_key_speaks_for_others(there: Desk, channel: Any) -> None:
    there.identity.keys = [published(OTHER_KEY, ("msteams", "webchat", "directline", "emulator", ""))]
    bearer = token(there.service_url, key=OTHER_KEY, header={"kid": "second"})
    there.clock.advance(31)
    assert (await there.post(there.activity(channelId=channel), bearer=bearer))[0] == 403


@pytest.mark.parametrize("endorsements", [(), ("webchat",)])
async def test_a_key_not_endorsed_for_teams_cannot_speak_for_it(there: Desk, endorsements: tuple[str, ...]) -> None:
    there.identity.keys = [published(OTHER_KEY, endorsements)]
    there.clock.advance(31)
    bearer = token(there.service_url, key=OTHER_KEY, header={"kid": "second"})
    assert (await there.post(there.activity(), bearer=bearer))[0] == 403


# Rule 6: the tenant


@pytest.mark.parametrize(
    "changes",
    [
        {"channelData": {"tenant": {"id": ALICE}}},
        {"channelData": {"tenant": TENANT}},
        {"channelData": {}},
        {"channelData": ...},
        {"channelData": [TENANT]},
        {"conversation": {"id": "a:1", "conversationType": "personal", "tenantId": ALICE}},
        {"conversation": {"id": "a:1", "conversationType": "personal", "tenantId": ""}},
        {"conversation": {"id": "a:1", "conversationType": "personal", "tenantId": [TENANT]}},
    ],
    ids=str,
)
async def test_another_tenant_is_refused_wherever_it_is_named(there: Desk, changes: dict[str, Any]) -> None:
    assert (await there.post(there.activity(**changes)))[0] == 403


async def test_a_conversation_need_not_name_its_tenant(there: Desk) -> None:
    assert (await there.post(there.activity(conversation={"id": "a:1"})))[0] == 200


# Rule 7a: the person


@pytest.mark.parametrize(
    "person",
    [
        {"aadObjectId": None},
        {"aadObjectId": ""},
        {"aadObjectId": "alice@contoso.com"},
        {"aadObjectId": "{" + ALICE + "}"},
        {"aadObjectId": ALICE + "\n"},
        {"aadObjectId": 7},
        {"aadObjectId": ALICE, "id": "28:another-bot"},
        {"aadObjectId": ALICE, "role": "bot"},
        {"aadObjectId": ALICE, "role": "skill"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["message", "messageUpdate"])
async def test_who_is_not_a_person_of_entra_is_refused(there: Desk, kind: str, person: dict[str, Any]) -> None:
    sender = {"id": "29:x", "name": "Global Administrator", **person}
    assert (await there.post(there.activity(type=kind, **{"from": sender})))[0] == 403


async def test_news_of_the_installation_may_come_from_nobody_but_not_from_a_false_somebody(there: Desk) -> None:
    news = {"type": "conversationUpdate", "text": ...}
    assert (await there.post(there.activity(**news, **{"from": {"id": "29:system"}})))[0] == 200
    assert (await there.post(there.activity(**news, **{"from": {"id": "29:x", "aadObjectId": "me"}})))[0] == 403


# Unsigned activities


@pytest.mark.parametrize("peer", ["192.168.0.7", "8.8.8.8", "::ffff:8.8.8.8", "localhost.evil.example", "", None])
async def test_unsigned_is_refused_from_afar_even_in_development(peer: str | None) -> None:
    gate = TokenGate(APP, frozenset({TENANT}), ServiceUrls(), VirtualClock(NOON), None, unsigned_ok=True)
    with pytest.raises(NotProven, match="unsigned-from-afar"):
        await gate.admit(parsed(), [], peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_unsigned_is_admitted_from_this_machine_in_development(peer: str) -> None:
    gate = TokenGate(APP, frozenset({TENANT.upper()}), ServiceUrls(), VirtualClock(NOON), None, unsigned_ok=True)
    await gate.admit(parsed(), [], peer)
    with pytest.raises(NotAllowed, match="tenant"):
        await gate.admit(parsed(channelData={"tenant": {"id": ALICE}}), [], peer)


async def test_a_gate_without_keys_must_be_meant() -> None:
    with pytest.raises(ValueError, match="keys"):
        TokenGate(APP, frozenset({TENANT}), ServiceUrls(), VirtualClock(NOON), None)
    async with aiohttp.ClientSession() as session:
        keys = KeySet(session, "http://127.0.0.1/", VirtualClock(NOON))
        with pytest.raises(ValueError, match="keys"):
            TokenGate(APP, frozenset({TENANT}), ServiceUrls(), VirtualClock(NOON), keys, unsigned_ok=True)


# What the outside and the log learn


async def test_a_refusal_is_an_empty_answer_and_one_line_without_anything_of_the_sender(
    there: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = there.activity("secret words", channelId="evil\nchannel")
    assert await there.post(body) == (403, None)
    [line] = [record for record in caplog.records if record.name.startswith("whysync.")]
    assert line.getMessage() == "activity refused: not-endorsed"


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "9999-12-31T23:59:59.9999999Z"},
        {"timestamp": "1601-01-01T00:00:00Z", "localTimestamp": "never"},
        {"timestamp": ...},
        {"attachments": [{"contentType": "image/png", "contentUrl": "http://127.0.0.1:1/secret"}]},
        {"attachments": "many"},
        {"locale": "../../etc"},
        {"locale": 7},
        {"entities": "none"},
        {"entities": [7, {"type": "mention"}, {"type": "mention", "text": 7, "mentioned": 7}]},
        {"text": 7},
        {"text": ...},
        {"text": "   "},
        {"deliveryMode": "expectReplies"},
        {"value": {}},
        {"value": [1]},
        {"replyToId": {"a": 1}},
        {"id": ...},
    ],
    ids=str,
)
async def test_odd_fields_of_a_proven_activity_do_no_harm(there: Desk, changes: dict[str, Any]) -> None:
    assert (await there.post(there.activity(**changes)))[0] == 200
    await there.settled()
    assert all(said.locale in (None, "en-GB") for said in there.listener.heard)
    assert all(one.body.get("text", "heard you") == "heard you" for one in there.connector.received)


def test_an_expired_token_stays_expired_as_time_goes_on() -> None:
    clock = VirtualClock(NOON + timedelta(hours=2))
    gate = TokenGate(APP, frozenset({TENANT}), ServiceUrls(), clock, None, unsigned_ok=True)
    with pytest.raises(NotProven, match="expired"):
        gate._check_claims({"iss": "https://api.botframework.com", "aud": APP, "nbf": 1, "exp": int(NOON.timestamp())})


def test_refusals_are_one_family() -> None:
    assert {kind.status for kind in (Malformed, NotProven, NotAllowed, NotReady)} == {400, 401, 403, 503}
