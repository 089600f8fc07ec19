"""Enrolment on a store: races have one winner, doubts are looked up, a revoked probe is revoked for everybody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.clock import VirtualClock
from bot.relay import enrolment
from bot.relay.enrolment import (
    INVITED_FOR,
    TRIES,
    Application,
    Invitation,
    Inviting,
    NotAdmittedError,
    Token,
    apply,
    confirm,
    enrol,
    invite,
    revoke,
)
from bot.relay.enrolments import NAMESPACE, ProbeRecord, StoredEnrolments
from bot.relay.envelope import EnrolledProbe, PrivateKey, Standing
from bot.relay.wire import ProbeIdentity, wall
from bot.store import Conflict, Damaged, Store
from bot.store.batch import Batch
from bot.store.sqlite import SqliteStore
from tests.relay.little_store import LittleStore

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"
ONE, TWO, THREE = (PrivateKey(bytes([seed]) * 32).public for seed in (1, 2, 3))
WISH = Inviting("https://whysync.contoso.com", TENANT, "SRV-A", frozenset({"dns", "tcp"}), "admin-1")


class Bench:
    """Two instances of the bot on one store."""

    def __init__(self, store: Store) -> None:
        self.clock = VirtualClock(AT)
        self.here, self.there = (StoredEnrolments(store, TENANT, self.clock) for _ in range(2))

    @property
    def now(self) -> int:
        return wall(self.clock)

    async def token(self, wish: Inviting = WISH) -> Token:
        token, kept = invite(wish, self.now)
        await self.here.invited(kept)
        return token

    async def enrolled(self, key: object = ONE, wish: Inviting = WISH) -> ProbeRecord:
        token = await self.token(wish)
        await enrol(self.here, apply(token, "srv-a", key), self.now)  # type: ignore[arg-type]  # a public key
        record = await self.here.record(wish.probe)
        assert record is not None
        return record

    async def tried(self, asked: Application) -> str:
        try:
            await enrol(self.here, asked, self.now)
        except NotAdmittedError as error:
            return error.reason
        return "accepted"

    async def bad_tries(self, token: Token) -> int:
        kept = await self.there.invitation(token.invitation)
        assert kept is not None
        return kept.bad_tries


@pytest.fixture
def store() -> LittleStore:
    return LittleStore()


@pytest.fixture
def bench(store: LittleStore) -> Bench:
    return Bench(store)


@asynccontextmanager
async def on_sqlite(folder: Path) -> AsyncIterator[Bench]:
    async with SqliteStore(folder / "store.sqlite3") as file:
        yield Bench(file)


def bad(token: Token) -> Application:
    return replace(apply(token, "srv-a", ONE), proof=bytes(32))


async def test_what_is_kept_comes_back_as_it_was(bench: Bench) -> None:
    token, kept = invite(WISH, bench.now)
    await bench.here.invited(kept)
    assert await bench.there.invitation(token.invitation) == kept
    admitted = await enrol(bench.here, apply(token, "srv-a", ONE), bench.now)
    record = await bench.there.record("SRV-A")
    assert record == ProbeRecord(admitted.probe, applied=bench.now)
    changed = replace(record, probe=revoke(record.probe), confirmed=5, confirmed_by="b", revoked=6, revoked_by="c")
    assert await bench.here.change(record, replace(changed, bad_tries=2))
    assert await bench.there.record("SRV-A") == replace(changed, bad_tries=2)


async def test_a_real_engine_keeps_the_same_promises(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as bench:
        token = await bench.token()
        tries = [bench.tried(apply(token, "srv-a", key)) for key in (ONE, TWO, THREE)]
        assert sorted(await asyncio.gather(*tries)) == ["accepted", "used", "used"]
        record = await bench.there.record("srv-a")
        assert record is not None
        assert await bench.here.change(record, replace(record, probe=confirm(record.probe, *_seen(record))))
        found = await bench.there.by_kid(record.probe.key.kid)
        assert found is not None
        assert found.standing is Standing.CONFIRMED
        assert not await bench.there.change(record, replace(record, revoked=1))


def _seen(record: ProbeRecord) -> tuple[str, str]:
    return record.probe.key.fingerprint, "admin-2"


async def test_the_secret_is_not_in_the_store(bench: Bench, store: LittleStore) -> None:
    token = await bench.token()
    kept = " ".join(text for text, _ in store.rows.values())
    assert token.text.partition(".")[2] not in kept
    assert token.secret.hex() not in kept
    assert enrolment.token_hash(token.secret) != token.secret


# One token, many hands.


async def test_of_servers_side_by_side_one_is_enrolled(bench: Bench) -> None:
    token = await bench.token()
    keys = [PrivateKey(bytes([seed]) * 32).public for seed in range(10, 22)]
    told = await asyncio.gather(*(bench.tried(apply(token, "srv-a", key)) for key in keys))
    assert sorted(told) == ["accepted", *["used"] * 11]
    assert len(await bench.there.everyone(TENANT)) == 1


async def test_guesses_side_by_side_are_all_counted(bench: Bench) -> None:
    token = await bench.token()
    assert await asyncio.gather(*(bench.tried(bad(token)) for _ in range(6))) == ["bad-proof"] * 6
    assert await bench.bad_tries(token) == 6


async def test_a_crowd_of_guesses_locks_the_token(bench: Bench) -> None:
    token = await bench.token()
    await asyncio.gather(*(bench.tried(bad(token)) for _ in range(40)))
    assert await bench.bad_tries(token) == TRIES
    assert await bench.tried(apply(token, "srv-a", ONE)) == "locked"


async def test_an_unclear_write_of_a_bad_try_counts_it_at_least_once(bench: Bench, store: LittleStore) -> None:
    for kept in (True, False):
        token = await bench.token()
        store.doubt(kept=kept)
        assert await bench.tried(bad(token)) == "bad-proof"
        assert await bench.bad_tries(token) >= 1


async def test_an_enrolment_of_which_nobody_knows_whether_it_was_kept_is_looked_up(
    bench: Bench, store: LittleStore
) -> None:
    for kept, expected in ((True, "accepted"), (False, "used")):
        key = PrivateKey(bytes([40 + kept]) * 32).public
        token = await bench.token()
        store.doubt(kept=kept)
        assert await bench.tried(apply(token, "srv-a", key)) == expected


async def test_a_token_used_is_used_for_every_instance(bench: Bench) -> None:
    token = await bench.token()
    assert await bench.tried(apply(token, "srv-a", ONE)) == "accepted"
    kept = await bench.there.invitation(token.invitation)
    assert kept is not None
    assert kept.used


async def test_an_enrolment_decided_on_what_is_over_is_not_kept(bench: Bench) -> None:
    """One instance was slow: what it read of the invitation, or of the probe, is not so any more."""
    stale = await bench.here.invitation((await bench.token()).invitation)
    assert stale is not None
    first, second = (
        EnrolledProbe(ProbeIdentity(TENANT, "SRV-A", gen * 32), key, WISH.ops, "h", "admin-1")
        for gen, key in (("a", ONE), ("b", TWO))
    )
    assert await bench.there.enrol(stale, None, first)
    assert not await bench.here.enrol(stale, first, second)
    fresh = await bench.here.invitation((await bench.token()).invitation)
    assert fresh is not None
    assert not await bench.here.enrol(fresh, None, second)
    assert await bench.here.enrol(fresh, first, second)


# Names and keys.


async def test_capital_letters_do_not_make_another_probe(bench: Bench) -> None:
    first = await bench.enrolled()
    second = await bench.enrolled(TWO, replace(WISH, probe="srv-a"))
    assert await bench.there.record("SRV-A") == second
    assert second.probe.dead == {first.probe.key.kid}
    assert len(await bench.there.records()) == 1


async def test_a_key_is_found_by_its_id_while_it_is_the_present_one(bench: Bench) -> None:
    first = await bench.enrolled()
    assert await bench.there.by_kid(ONE.kid) == first.probe
    second = await bench.enrolled(TWO)
    assert await bench.there.by_kid(TWO.kid) == second.probe
    assert await bench.there.by_kid(ONE.kid) is None
    assert await bench.here.by_kid(ONE.kid) is None


@pytest.mark.parametrize("kid", ["", "x", "../" + "A" * 40, "A" * 43, "A" * 44, "probe.srv-a"])
async def test_an_id_that_is_nobodys_is_nobodys(bench: Bench, kid: str) -> None:
    await bench.enrolled()
    assert await bench.there.by_kid(kid) is None


async def test_a_key_never_comes_back_under_another_name(bench: Bench) -> None:
    await bench.enrolled()
    token = await bench.token(replace(WISH, probe="SRV-B"))
    assert await bench.tried(apply(token, "srv-b", ONE)) == "dead-key"
    assert await bench.tried(apply(token, "srv-b", TWO)) == "accepted"


async def test_two_names_side_by_side_do_not_share_a_key(bench: Bench) -> None:
    tokens = [await bench.token(replace(WISH, probe=name)) for name in ("SRV-A", "SRV-B")]
    told = await asyncio.gather(*(bench.tried(apply(token, "h", ONE)) for token in tokens))
    assert sorted(told) == ["accepted", "used"]


async def test_a_revoked_probe_is_revoked_for_every_instance_at_once(bench: Bench) -> None:
    record = await bench.enrolled()
    for instance in (bench.here, bench.there):
        assert await instance.by_kid(ONE.kid) is not None
    assert await bench.here.change(record, replace(record, probe=revoke(record.probe)))
    for instance in (bench.here, bench.there):
        found = await instance.by_kid(ONE.kid)
        assert found is not None
        assert found.standing is Standing.REVOKED


async def test_a_message_of_a_known_key_costs_one_read(bench: Bench, store: LittleStore) -> None:
    await bench.enrolled()
    await bench.there.by_kid(ONE.kid)
    before = store.reads
    await bench.there.by_kid(ONE.kid)
    assert store.reads - before == 1


async def test_a_change_of_what_was_changed_meanwhile_is_not_kept(bench: Bench, store: LittleStore) -> None:
    record = await bench.enrolled()

    async def revoked() -> None:
        assert await bench.there.change(record, replace(record, probe=revoke(record.probe)))

    store.before = revoked
    assert not await bench.here.change(record, replace(record, probe=confirm(record.probe, *_seen(record))))
    found = await bench.here.by_kid(ONE.kid)
    assert found is not None
    assert found.standing is Standing.REVOKED


@pytest.mark.parametrize("kept", [True, False])
async def test_a_change_of_which_nobody_knows_is_looked_up(bench: Bench, store: LittleStore, kept: bool) -> None:
    record = await bench.enrolled()
    store.doubt(kept=kept)
    assert await bench.here.change(record, replace(record, revoked=1)) is kept


async def test_everyone_is_everyone_however_many_there_are(bench: Bench) -> None:
    for number in range(8):
        key = PrivateKey(bytes([60 + number]) * 32).public
        await bench.enrolled(key, replace(WISH, probe=f"SRV-{number}"))
    names = [each.identity.probe for each in await bench.there.everyone(TENANT)]
    assert names == [f"SRV-{number}" for number in range(8)]
    assert await bench.there.everyone("other") == ()


# Invitations.


async def test_a_new_token_ends_the_earlier_one_for_the_same_server_alone(bench: Bench) -> None:
    old, other = await bench.token(), await bench.token(replace(WISH, probe="SRV-B"))
    new = await bench.token(replace(WISH, probe="srv-a"))
    found = [await bench.there.invitation(each.invitation) is not None for each in (old, other, new)]
    assert found == [False, True, True]


async def test_expired_invitations_are_swept(bench: Bench, store: LittleStore) -> None:
    for number in range(5):
        await bench.token(replace(WISH, probe=f"SRV-{number}"))
    bench.clock.advance(INVITED_FOR / 1000 + 1)
    await bench.token()
    assert len([rk for _, _, rk in store.rows if rk.startswith("inv.")]) == 1


async def test_a_withdrawn_token_is_worth_nothing(bench: Bench) -> None:
    token = await bench.token()
    assert await bench.here.withdrawn("srv-a") == 1
    assert await bench.here.withdrawn("srv-a") == 0
    assert await bench.tried(apply(token, "srv-a", ONE)) == "no-invitation"


async def test_an_invitation_among_other_writers_is_kept_or_said_not_to_be(bench: Bench, store: LittleStore) -> None:
    async def again() -> None:
        await bench.there.invited(invite(WISH, bench.now)[1])

    await bench.token()
    store.before = again
    token = await bench.token()
    assert await bench.there.invitation(token.invitation) is not None

    async def always(*_: object) -> list[str]:
        raise Conflict("Somebody else's write came first.")

    store.put = always  # type: ignore[method-assign]  # a store on which others always win
    with pytest.raises(Conflict, match="try again"):
        await bench.token()


async def test_a_row_of_a_later_version_is_refused_loudly(bench: Bench, store: LittleStore) -> None:
    await bench.enrolled()
    key = (NAMESPACE, TENANT, "probe.srv-a")
    store.rows[key] = store.rows[key][0].replace('"schema":1', '"schema":2'), "9"
    with pytest.raises(Damaged, match="update"):
        await bench.here.by_kid(ONE.kid)


# The promises have teeth.

Proof = Callable[[Bench, LittleStore], Awaitable[None]]


async def _sides(bench: Bench, _: LittleStore) -> None:
    await test_of_servers_side_by_side_one_is_enrolled(bench)


async def _counted(bench: Bench, _: LittleStore) -> None:
    await test_guesses_side_by_side_are_all_counted(bench)


async def test_without_the_condition_of_a_write_races_have_several_winners(
    bench: Bench, store: LittleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unconditional(batch: Batch) -> list[str]:
        return [store._put(batch, each) for each in batch.entries]

    monkeypatch.setattr(store, "_write", unconditional)
    for proof in (_sides, _counted):
        with pytest.raises(AssertionError):
            await proof(bench, store)


async def test_the_store_holds_invitations_by_their_own_id_only(bench: Bench) -> None:
    kept: Invitation | None = await bench.here.invitation("probe.srv-a")
    assert kept is None
