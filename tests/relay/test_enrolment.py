"""Enrolment: one token, one use, half an hour, ten bad tries, two people; and no way back for an old key."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from bot.relay import enrolment
from bot.relay.enrolment import INVITED_FOR, Application, Invitation, apply, check_welcome, confirm, enrol, invite
from bot.relay.envelope import EnrolledProbe, PrivateKey, PublicKey, Standing
from bot.relay.wire import ForgedError, MalformedError, WireError

TENANT = "11111111-2222-4333-8444-555555555555"
ONE, TWO, FLEET = (PrivateKey(bytes([seed]) * 32).public for seed in (1, 2, 3))
NOW = 1_795_000_000_000


class Kept:
    """A store of one invitation and one probe."""

    def __init__(self) -> None:
        self.token = ""
        self.invited: Invitation | None = None
        self.enrolled: EnrolledProbe | None = None
        self.again()

    def again(self) -> None:
        self.token, self.invited = invite(TENANT, "SRV-A", frozenset({"dns"}), "admin-1", NOW)

    async def invitation(self, id_: str, /) -> Invitation | None:
        return self.invited if self.invited is not None and self.invited.id == id_ else None

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None:
        return self.enrolled

    async def replace(self, old: Invitation, new: Invitation, /) -> bool:
        won = self.invited == old
        self.invited = new if won else self.invited
        return won

    async def enrol(self, old: Invitation, was: EnrolledProbe | None, now: EnrolledProbe, /) -> bool:
        won = self.invited == old and self.enrolled == was
        if won:
            self.invited, self.enrolled = replace(old, used=True), now
        return won


async def tried(kept: Kept, asked: Application, after: int = 0) -> str:
    try:
        await enrol(kept, asked, NOW + after)
    except WireError as error:
        return error.reason
    return "accepted"


def asking(kept: Kept, key: PublicKey = ONE, probe: str = "SRV-A") -> Application:
    return apply(kept.token, probe, "srv-a.corp.contoso.com", key)


async def test_a_token_enrols_a_probe_that_waits_for_the_second_admin() -> None:
    kept = Kept()
    assert await tried(kept, asking(kept)) == "accepted"
    assert kept.enrolled is not None
    assert (kept.enrolled.standing, kept.enrolled.ops) == (Standing.WAITING, frozenset({"dns"}))
    assert confirm(kept.enrolled, ONE.fingerprint, "admin-2").standing is Standing.CONFIRMED


async def test_a_token_counts_once() -> None:
    kept = Kept()
    await tried(kept, asking(kept))
    assert await tried(kept, asking(kept, TWO)) == "used"


async def test_a_token_counts_for_half_an_hour() -> None:
    kept = Kept()
    assert await tried(kept, asking(kept), INVITED_FOR + 1) == "expired"
    assert await tried(kept, asking(kept), INVITED_FOR) == "accepted"


async def test_a_token_counts_for_the_probe_it_names() -> None:
    kept = Kept()
    assert await tried(kept, asking(kept, probe="SRV-B")) == "other-name"


@pytest.mark.parametrize("change", ["key", "nonce", "host", "probe", "proof"])
async def test_a_proof_covers_everything_it_goes_with(change: str) -> None:
    kept = Kept()
    changes: dict[str, Any] = {"key": TWO, "nonce": b"x" * 16, "host": "other", "probe": "SRV-B", "proof": b"x" * 32}
    assert await tried(kept, replace(asking(kept), **{change: changes[change]})) == "bad-proof"


async def wrong_proof() -> None:
    await test_a_proof_covers_everything_it_goes_with("key")


async def test_ten_bad_tries_lock_a_token_even_for_its_owner() -> None:
    kept = Kept()
    bad = replace(asking(kept), proof=bytes(32))
    assert [await tried(kept, bad) for _ in range(10)] == ["bad-proof"] * 10
    assert await tried(kept, asking(kept)) == "locked"


async def test_the_loser_of_a_race_is_not_enrolled() -> None:
    kept, other = Kept(), Kept()
    other.token, other.invited = kept.token, kept.invited

    async def late(*_: object) -> bool:
        return False

    other.enrol = late  # type: ignore[method-assign]  # the store says that another was first
    assert await tried(other, asking(kept)) == "used"


async def test_a_new_generation_ends_the_old_key_for_ever() -> None:
    kept = Kept()
    generations = set()
    for key, expected in ((ONE, "accepted"), (TWO, "accepted"), (ONE, "dead-key"), (TWO, "dead-key")):
        kept.again()
        assert await tried(kept, asking(kept, key)) == expected
        assert kept.enrolled is not None
        generations.add(kept.enrolled.identity.gen)
    assert len(generations) == 2


async def test_what_is_kept_of_a_token_does_not_hold_it() -> None:
    kept = Kept()
    assert kept.invited is not None
    assert kept.token.split(".")[1] not in repr(kept.invited)
    assert len(kept.token.split(".")[1]) * 6 >= 128
    assert "secret" not in repr(kept.invited)


async def confirming(by: str = "admin-2", fingerprint: str = ONE.fingerprint) -> str:
    kept = Kept()
    await tried(kept, asking(kept))
    assert kept.enrolled is not None
    try:
        confirm(kept.enrolled, fingerprint, by)
    except WireError as error:
        return error.reason
    return "accepted"


@pytest.mark.parametrize("by", ["admin-1", ""])
async def test_the_second_admin_is_another_person(by: str) -> None:
    assert await confirming(by) == "same-person"


async def same_person() -> None:
    await test_the_second_admin_is_another_person("admin-1")


async def test_the_fingerprint_must_be_the_keys() -> None:
    assert await confirming(fingerprint=TWO.fingerprint) == "other-fingerprint"


async def test_what_was_revoked_cannot_be_confirmed() -> None:
    kept = Kept()
    await tried(kept, asking(kept))
    assert kept.enrolled is not None
    told = "accepted"
    try:
        confirm(enrolment.revoke(kept.enrolled), ONE.fingerprint, "admin-2")
    except WireError as error:
        told = error.reason
    assert told == "not-waiting"


async def test_the_bots_key_comes_with_a_proof_and_no_other_key_does() -> None:
    kept = Kept()
    asked = asking(kept)
    assert kept.invited is not None
    proof = enrolment.welcome_proof(kept.invited.secret_hash, FLEET, asked, "a" * 32)
    check_welcome(kept.token, FLEET, asked, "a" * 32, proof)
    for key, gen in ((TWO, "a" * 32), (FLEET, "b" * 32)):
        with pytest.raises(ForgedError, match="bad-proof"):
            check_welcome(kept.token, key, asked, gen, proof)


@pytest.mark.parametrize("token", ["", "a", ".", "a.b", "a." + "!" * 43, "a." + "ü" * 43])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(MalformedError):
        apply(token, "SRV-A", "h", ONE)


Proof = Callable[[], Awaitable[None]]
TABLES: dict[str, dict[str, Proof]] = {
    "ENROL_CHECKS": {
        "locked": test_ten_bad_tries_lock_a_token_even_for_its_owner,
        "used": test_a_token_counts_once,
        "expired": test_a_token_counts_for_half_an_hour,
        "bad-proof": wrong_proof,
        "other-name": test_a_token_counts_for_the_probe_it_names,
        "dead-key": test_a_new_generation_ends_the_old_key_for_ever,
    },
    "CONFIRM_CHECKS": {
        "not-waiting": test_what_was_revoked_cannot_be_confirmed,
        "same-person": same_person,
        "other-fingerprint": test_the_fingerprint_must_be_the_keys,
    },
}


@pytest.mark.parametrize(("table", "reason"), [(table, reason) for table, rows in TABLES.items() for reason in rows])
async def test_a_rule_of_enrolment_taken_away_is_noticed(
    table: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = {name: check for name, check in getattr(enrolment, table).items() if name != reason}
    assert set(rest) | {reason} == set(TABLES[table])
    monkeypatch.setattr(enrolment, table, MappingProxyType(rest))
    with pytest.raises(AssertionError, match="accepted"):
        await TABLES[table][reason]()
