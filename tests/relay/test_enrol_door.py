"""The door for servers with a token: the right ones are let in, others learn nothing, and nobody knocks for long."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.clock import VirtualClock
from bot.enrolling import Enrolling, Terms
from bot.relay import enrol_door
from bot.relay.application import ENROL_PATH, LARGEST_APPLICATION
from bot.relay.enrol_door import MOST, SAYS, EnrolDoor
from bot.relay.enrolment import INVITED_FOR, TRIES, Application, Token, apply, check_grant
from bot.relay.enrolments import ProbeRecord, StoredEnrolments
from bot.relay.envelope import PrivateKey, Standing, b64
from bot.store import Unavailable
from bot.turns import SendRefused
from tests.relay.little_store import LittleStore

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"
FLEET, ONE, TWO = (PrivateKey(bytes([seed]) * 32).public for seed in (9, 1, 2))
OPS = frozenset({"dns", "tcp"})
TERMS = Terms("https://whysync.contoso.com", TENANT, FLEET, "ns.servicebus.windows.net")
P = 2**255 - 19
SMALL_ORDER = {
    "all zero": (0).to_bytes(32, "little"),
    "the neutral point": (1).to_bytes(32, "little"),
    "of order two": (P - 1).to_bytes(32, "little"),
    "all zero, with a sign": bytes(31) + b"\x80",
    "not reduced": P.to_bytes(32, "little"),
    "all ones": b"\xff" * 32,
}


@dataclass
class Bench:
    session: aiohttp.ClientSession
    url: str
    enrolling: Enrolling
    enrolments: StoredEnrolments
    store: LittleStore
    clock: VirtualClock
    announced: list[ProbeRecord] = field(default_factory=list)
    witnessed: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def token(self, probe: str = "SRV-A") -> Token:
        return (await self.enrolling.invite(probe, OPS, "admin-1")).token

    async def post(self, body: bytes | dict[str, Any] | Application) -> tuple[int, dict[str, Any]]:
        raw = body.body if isinstance(body, Application) else body
        raw = json.dumps(raw).encode() if isinstance(raw, dict) else raw
        async with self.session.post(self.url + ENROL_PATH, data=raw) as answer:
            return answer.status, await answer.json()

    async def refused(self, body: bytes | dict[str, Any] | Application) -> tuple[int, str]:
        """One shape, whatever the reason."""
        status, told = await self.post(body)
        assert set(told) == {"error", "says"}
        assert told["says"] == SAYS[told["error"]]
        return status, told["error"]


@asynccontextmanager
async def opened(announces: Any = None) -> AsyncIterator[Bench]:
    store, clock = LittleStore(), VirtualClock(AT)
    enrolments = StoredEnrolments(store, TENANT, clock)
    announced: list[ProbeRecord] = []
    witnessed: list[tuple[str, Mapping[str, str]]] = []

    async def announce(record: ProbeRecord) -> None:
        announced.append(record)

    async def witness(event: str, facts: Mapping[str, str]) -> None:
        witnessed.append((event, facts))

    enrolling = Enrolling(enrolments, TERMS, clock, announces or announce, witness)
    app = web.Application()
    EnrolDoor(enrolling, clock).install(app)
    runner = web.AppRunner(app, access_log=None, lingering_time=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            yield Bench(session, url, enrolling, enrolments, store, clock, announced, witnessed)
    finally:
        await runner.cleanup()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with opened() as made:
        yield made


async def test_a_server_with_a_token_is_answered_with_a_grant_that_proves_the_bot(bench: Bench) -> None:
    token = await bench.token()
    asked = apply(token, "srv-a.corp.contoso.com", ONE)
    status, told = await bench.post(asked)
    assert status == 200
    assert set(told) == {"gen", "tenant", "key", "proof", "relay", "floor"}
    grant = check_grant(token, asked, json.dumps(told).encode())
    assert (grant.key, grant.tenant, grant.relay.request, grant.relay.reply) == (FLEET, TENANT, "req-srv-a", "replies")
    record = await bench.enrolments.record("SRV-A")
    assert record is not None
    assert (record.probe.standing, record.probe.identity.gen, record.probe.ops) == (Standing.WAITING, grant.gen, OPS)
    assert [each.probe.host for each in bench.announced] == ["srv-a.corp.contoso.com"]


async def test_the_answer_holds_neither_the_secret_nor_its_hash(bench: Bench) -> None:
    token = await bench.token()
    _, told = await bench.post(apply(token, "srv-a", ONE))
    kept = await bench.enrolments.invitation(token.invitation)
    assert kept is not None
    assert not any(b64(secret) in json.dumps(told) for secret in (token.secret, kept.secret_hash))


# Bad input E 77: token twice, after expiry, other name, brute force.


async def test_a_token_counts_once(bench: Bench) -> None:
    token = await bench.token()
    assert (await bench.post(apply(token, "srv-a", ONE)))[0] == 200
    assert await bench.refused(apply(token, "srv-a", TWO)) == (403, "used")
    assert await bench.refused(apply(token, "srv-a", ONE)) == (403, "used")


async def test_of_two_servers_at_once_one_is_let_in(bench: Bench) -> None:
    token = await bench.token()
    told = await asyncio.gather(*(bench.post(apply(token, "srv-a", key)) for key in (ONE, TWO)))
    assert sorted(status for status, _ in told) == [200, 403]


async def test_a_token_counts_for_half_an_hour(bench: Bench) -> None:
    token = await bench.token()
    bench.clock.advance(INVITED_FOR / 1000 + 1)
    assert await bench.refused(apply(token, "srv-a", ONE)) == (403, "expired")


async def test_a_token_counts_under_its_own_name(bench: Bench) -> None:
    token = await bench.token()
    assert await bench.refused(apply(replace(token, probe="SRV-B"), "srv-b", ONE)) == (403, "other-name")


async def test_ten_guesses_lock_a_token_even_for_its_owner(bench: Bench) -> None:
    token = await bench.token()
    bad = replace(apply(token, "srv-a", ONE), proof=bytes(32))
    for _ in range(TRIES):
        assert await bench.refused(bad) == (403, "refused")
    assert await bench.refused(apply(token, "srv-a", ONE)) == (403, "refused")
    assert await bench.enrolments.record("SRV-A") is None


async def test_a_stranger_is_not_told_whether_there_is_such_a_token(bench: Bench) -> None:
    token = await bench.token()
    guess = replace(apply(token, "srv-a", ONE), proof=bytes(32))
    nothing = replace(guess, invitation="0" * 32)
    seen = {json.dumps(await bench.post(each)) for each in (guess, nothing)}
    await bench.post(apply(token, "srv-a", ONE))
    seen |= {json.dumps(await bench.post(guess))}
    bench.clock.advance(INVITED_FOR / 1000 + 1)
    seen |= {json.dumps(await bench.post(guess))}
    assert len(seen) == 1


async def test_without_that_rule_a_stranger_would_be_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    original = enrol_door.NotAdmittedError.__init__
    monkeypatch.setattr(
        enrol_door.NotAdmittedError, "__init__", lambda self, reason, **_: original(self, reason, proven=True)
    )
    with pytest.raises(AssertionError):
        await test_a_stranger_is_not_told_whether_there_is_such_a_token(bench)


# Bad input E 78: keys that are none.


@pytest.mark.parametrize("raw", SMALL_ORDER.values(), ids=SMALL_ORDER)
async def test_a_key_under_which_anybody_can_sign_is_refused(bench: Bench, raw: bytes) -> None:
    token = await bench.token()
    body = json.loads(apply(token, "srv-a", ONE).body) | {"key": b64(raw)}
    assert await bench.refused(body) == (400, "bad-key")
    assert (await bench.post(apply(token, "srv-a", ONE)))[0] == 200


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
async def test_a_key_of_another_length_is_refused(bench: Bench, length: int) -> None:
    body = json.loads(apply(await bench.token(), "srv-a", ONE).body) | {"key": b64(b"\x05" * length)}
    assert await bench.refused(body) == (400, "bad-application")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 4000,
        b'{"v":"1","v":"1"}',
        b'{"v": NaN}',
        "\N{SNOWMAN}".encode(),
    ],
)
async def test_what_is_no_application_is_refused(bench: Bench, body: bytes) -> None:
    assert await bench.refused(body) == (400, "bad-application")


@pytest.mark.parametrize("change", [{"more": ""}, {"host": "a b"}, {"host": "<at>x</at>"}, {"probe": "../x"}, {"v": 1}])
async def test_an_application_has_exactly_its_own_fields(bench: Bench, change: dict[str, Any]) -> None:
    body = json.loads(apply(await bench.token(), "srv-a", ONE).body) | change
    assert await bench.refused(body) == (400, "bad-application")


async def test_a_long_body_is_not_read_to_its_end(bench: Bench) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 1024

    assert await bench.refused(b" " * (LARGEST_APPLICATION + 1)) == (413, "too-large")
    try:
        async with bench.session.post(bench.url + ENROL_PATH, data=endless()) as answer:
            assert answer.status == 413
    except aiohttp.ClientOSError:
        assert (await bench.refused(b"{}"))[0] == 400


# Pace, faults, and who hears of it.


async def test_an_address_that_knocks_too_often_waits_a_minute(bench: Bench) -> None:
    for _ in range(MOST):
        assert await bench.refused(b"{}") == (400, "bad-application")
    assert await bench.refused(apply(await bench.token(), "srv-a", ONE)) == (429, "too-many")
    bench.clock.advance(61)
    assert (await bench.post(apply(await bench.token(), "srv-a", ONE)))[0] == 200


async def test_a_store_that_is_away_is_said_and_nothing_is_used_up(bench: Bench) -> None:
    token = await bench.token()

    async def away(*_: object) -> None:
        raise Unavailable("The store does not answer.")

    kept, bench.store.get = bench.store.get, away  # type: ignore[method-assign, assignment]  # a store that is away
    assert await bench.refused(apply(token, "srv-a", ONE)) == (503, "unavailable")
    bench.store.get = kept  # type: ignore[method-assign]  # and back
    assert (await bench.post(apply(token, "srv-a", ONE)))[0] == 200


async def test_a_chat_that_cannot_be_reached_does_not_keep_a_server_out() -> None:
    async def nobody(_: ProbeRecord) -> None:
        raise SendRefused("403")

    async with opened(nobody) as bench:
        assert (await bench.post(apply(await bench.token(), "srv-a", ONE)))[0] == 200


async def test_a_chat_that_hangs_does_not_keep_a_server_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(_: ProbeRecord) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("bot.enrolling.ANNOUNCED_WITHIN", 0.05)
    async with opened(hanging) as bench, asyncio.timeout(5):
        assert (await bench.post(apply(await bench.token(), "srv-a", ONE)))[0] == 200


async def test_every_change_and_every_refusal_is_witnessed_by_ids_alone(bench: Bench) -> None:
    token = await bench.token()
    await bench.refused(replace(apply(token, "srv-a", ONE), proof=bytes(32)))
    await bench.post(apply(token, "srv-a", ONE))
    record = await bench.enrolling.confirm("SRV-A", ONE.fingerprint, "admin-2")
    await bench.enrolling.revoke("SRV-A", "admin-3")
    gen = record.probe.identity.gen
    assert [(event, facts["actor_oid"], facts["corr"], facts["outcome"]) for event, facts in bench.witnessed] == [
        ("probe invited", "admin-1", token.invitation, "done"),
        ("probe not admitted", "", token.invitation, "bad-proof"),
        ("probe applied", "admin-1", gen, "done"),
        ("probe confirmed", "admin-2", gen, "done"),
        ("probe revoked", "admin-3", gen, "done"),
    ]
    assert "SRV-A" not in str(bench.witnessed)
