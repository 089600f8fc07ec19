"""Enrolment: one token, one use, half an hour, ten bad tries, two people; and no way back for an old key."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from bot.relay import enrolment
from bot.relay.application import PREFIX, token_hash
from bot.relay.enrolment import (
    INVITED_FOR,
    SAYS,
    Admitted,
    Application,
    Grant,
    Invitation,
    Inviting,
    RelayNames,
    Token,
    apply,
    check_grant,
    confirm,
    enrol,
    invite,
)
from bot.relay.envelope import EnrolledProbe, PrivateKey, PublicKey, Standing, b64, unb64
from bot.relay.wire import ForgedError, MalformedError, WireError

TENANT = "11111111-2222-4333-8444-555555555555"
ONE, TWO, FLEET = (PrivateKey(bytes([seed]) * 32).public for seed in (1, 2, 3))
NOW = 1_795_000_000_000
HOST = "srv-a.corp.contoso.com"
WISH = Inviting("https://whysync.contoso.com", TENANT, "SRV-A", frozenset({"dns"}), "admin-1")
GRANT = Grant("a" * 32, TENANT, FLEET, RelayNames("ns.servicebus.windows.net", "req-srv-a", "replies"), "1.0")


class Kept:
    """A store of one invitation and one probe."""

    def __init__(self) -> None:
        self.token: Token
        self.invited: Invitation | None = None
        self.enrolled: EnrolledProbe | None = None
        self.elsewhere: frozenset[str] = frozenset()
        self.again()

    def again(self) -> None:
        self.token, self.invited = invite(WISH, NOW)

    async def invitation(self, id_: str, /) -> Invitation | None:
        return self.invited if self.invited is not None and self.invited.id == id_ else None

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None:
        return self.enrolled

    async def taken(self, kid: str, /) -> bool:
        return kid in self.elsewhere

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
    return apply(replace(kept.token, probe=probe), HOST, key)


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


async def test_a_key_that_was_enrolled_under_another_name_is_refused() -> None:
    kept = Kept()
    kept.elsewhere = frozenset({ONE.kid})
    assert await tried(kept, asking(kept)) == "dead-key"
    assert await tried(kept, asking(kept, TWO)) == "accepted"


async def test_what_is_kept_of_a_token_does_not_hold_it() -> None:
    kept = Kept()
    assert kept.invited is not None
    assert len(kept.token.secret) * 8 >= 128
    assert kept.token.secret not in kept.invited.secret_hash
    assert b64(kept.token.secret) not in repr(kept.invited) + repr(kept.token)
    assert "secret" not in repr(kept.invited) + repr(kept.token)


async def refusal(kept: Kept, asked: Application, after: int = 0) -> enrolment.NotAdmittedError:
    with pytest.raises(enrolment.NotAdmittedError) as raised:
        await enrol(kept, asked, NOW + after)
    return raised.value


async def test_only_who_knows_the_secret_is_told_why() -> None:
    kept = Kept()
    bad = replace(asking(kept), proof=bytes(32))
    late = INVITED_FOR + 1
    assert not (await refusal(kept, replace(bad, invitation="0" * 32))).proven
    assert not (await refusal(kept, bad)).proven
    assert not (await refusal(kept, bad, late)).proven
    assert (await refusal(kept, asking(kept), late)).proven
    await enrol(kept, asking(kept), NOW)
    assert not (await refusal(kept, bad)).proven
    assert (await refusal(kept, asking(kept))).proven


async def test_a_locked_token_does_not_tell_whether_a_guess_was_right() -> None:
    kept = Kept()
    for _ in range(enrolment.TRIES):
        await tried(kept, replace(asking(kept), proof=bytes(32)))
    assert not (await refusal(kept, asking(kept))).proven


async def confirming(by: str = "admin-2", fingerprint: str = ONE.fingerprint, bad_tries: int = 0) -> str:
    kept = Kept()
    await tried(kept, asking(kept))
    assert kept.enrolled is not None
    try:
        confirm(kept.enrolled, fingerprint, by, bad_tries)
    except WireError as error:
        return error.reason
    return "accepted"


@pytest.mark.parametrize("by", ["admin-1", "ADMIN-1", ""])
async def test_the_second_admin_is_another_person(by: str) -> None:
    assert await confirming(by) == "same-person"


async def same_person() -> None:
    await test_the_second_admin_is_another_person("admin-1")


async def test_the_fingerprint_must_be_the_keys() -> None:
    assert await confirming(fingerprint=TWO.fingerprint) == "other-fingerprint"


@pytest.mark.parametrize("other", [str.lower, lambda told: told.replace("-", " "), lambda told: told.replace("-", "")])
async def test_case_dashes_and_blanks_of_a_fingerprint_do_not_count(other: Callable[[str], str]) -> None:
    assert await confirming(fingerprint=other(ONE.fingerprint)) == "accepted"


@pytest.mark.parametrize("other", ["", "-", ONE.fingerprint[:-1], ONE.fingerprint + "0", ONE.fingerprint[:4]])
async def test_a_part_of_a_fingerprint_is_not_the_fingerprint(other: str) -> None:
    assert await confirming(fingerprint=other) == "other-fingerprint"


async def test_ten_wrong_fingerprints_lock_an_application_even_for_the_right_one() -> None:
    assert await confirming(bad_tries=9) == "accepted"
    assert await confirming(bad_tries=10) == "locked"


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


async def granted(kept: Kept, asked: Application) -> dict[str, Any]:
    admitted: Admitted = await enrol(kept, asked, NOW)
    return admitted.answer(asked, GRANT)


async def test_a_grant_comes_with_a_proof_that_covers_all_of_it() -> None:
    kept = Kept()
    asked = asking(kept)
    body = await granted(kept, asked)
    assert check_grant(kept.token, asked, json.dumps(body).encode()) == GRANT
    changes: list[dict[str, Any]] = [
        {"key": TWO.text},
        {"gen": "b" * 32},
        {"tenant": TENANT.replace("1", "6")},
        {"floor": "0.1"},
        {"proof": b64(bytes(32))},
        *({"relay": body["relay"] | {name: "other"}} for name in ("namespace", "request", "reply")),
    ]
    for change in changes:
        with pytest.raises(ForgedError, match="bad-proof"):
            check_grant(kept.token, asked, json.dumps(body | change).encode())


async def test_a_grant_answers_one_application_made_with_one_token() -> None:
    kept = Kept()
    asked = asking(kept)
    body = json.dumps(await granted(kept, asked)).encode()
    others = [(kept.token, asking(kept)), (kept.token, replace(asked, key=TWO)), (invite(WISH, NOW)[0], asked)]
    for token, application in others:
        with pytest.raises(ForgedError, match="bad-proof"):
            check_grant(token, application, body)


async def test_a_grant_of_another_tenant_is_refused_even_with_a_proof() -> None:
    kept = Kept()
    asked = asking(kept)
    other = replace(GRANT, tenant=TENANT.replace("1", "6")).body(token_hash(kept.token.secret), asked)
    with pytest.raises(ForgedError, match="bad-proof"):
        check_grant(kept.token, asked, json.dumps(other).encode())


@pytest.mark.parametrize(
    "change", [{"relay": None}, {"relay": {}}, {"floor": 1}, {"more": ""}, {"key": b64(bytes(32))}]
)
async def test_what_is_no_grant_is_refused(change: dict[str, Any]) -> None:
    kept = Kept()
    asked = asking(kept)
    body = await granted(kept, asked) | change
    with pytest.raises(MalformedError):
        check_grant(kept.token, asked, json.dumps(body).encode())


# The token as text.


def test_a_token_is_one_line_that_survives_being_copied() -> None:
    token, _ = invite(WISH, NOW)
    assert re.fullmatch(r"whysync1\.[A-Za-z0-9_-]+", token.text)
    assert Token.parse(f"  {token.text}\r\n") == token
    assert Token.parse(f"whysync probe enrol {token.text}\n") == token
    assert token.enrol_url == "https://whysync.contoso.com/api/probe/enrol"


def parsed(text: str) -> str:
    try:
        Token.parse(text)
    except MalformedError as error:
        return error.reason
    return "accepted"


def written(**change: Any) -> str:
    document = json.loads(unb64(invite(WISH, NOW)[0].text.removeprefix(PREFIX)))
    return PREFIX + b64(json.dumps(document | change).encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no-token"),
        ("abc.def", "no-token"),
        ("whysync2.AAAA", "other-token"),
        (PREFIX, "cut-token"),
        (PREFIX + "!", "cut-token"),
        (PREFIX + "ü" * 40, "cut-token"),
        (written()[:-9], "cut-token"),
        (written()[:40] + "\n" + written()[40:], "cut-token"),
        (PREFIX + "A" * 3_000, "bad-token"),
        (PREFIX + b64(b"[]"), "bad-token"),
        (written(more="1"), "bad-token"),
        (written(url="http://whysync.contoso.com"), "bad-token"),
        (written(url="https://contoso.com@evil.example"), "bad-token"),
        (written(url="https://contoso.com/?x"), "bad-token"),
        (written(url="http://127.0.0.1.evil.example"), "bad-token"),
        (written(tenant="contoso.com"), "bad-token"),
        (written(probe="../../SRV"), "bad-token"),
        (written(id="0" * 31), "bad-token"),
        (written(secret="A" * 42), "bad-token"),
        (written(secret=7), "bad-token"),
        (written(), "accepted"),
        (written(url="http://127.0.0.1:3978"), "accepted"),
    ],
)
def test_what_is_no_token_is_refused_with_a_reason(text: str, reason: str) -> None:
    assert parsed(text) == reason
    assert reason in {*SAYS, "accepted"}


@pytest.mark.parametrize("probe", ["", "a b", "SRV/A", "x" * 64])
def test_no_token_is_made_that_no_probe_would_read(probe: str) -> None:
    with pytest.raises(MalformedError):
        invite(replace(WISH, probe=probe), NOW)


# The application as it is posted.


def test_an_application_arrives_as_it_was_sent() -> None:
    asked = asking(Kept())
    assert Application.parse(asked.body) == asked


SMALL = (0).to_bytes(32, "little"), (1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")


@pytest.mark.parametrize(
    "change",
    [
        *({"key": b64(raw)} for raw in SMALL),
        {"key": b64(b"\x01" * 31)},
        {"key": b64(b"\xff" * 32)},
        {"proof": ""},
        {"nonce": "A"},
        {"host": "a\nb"},
        {"host": ""},
        {"probe": "x" * 64},
        {"invitation": 1},
        {"v": "2"},
        {"more": 1},
    ],
)
def test_what_is_no_application_is_refused(change: dict[str, Any]) -> None:
    body = json.loads(asking(Kept()).body) | change
    with pytest.raises(MalformedError):
        Application.parse(json.dumps(body).encode())


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
        "locked": test_ten_wrong_fingerprints_lock_an_application_even_for_the_right_one,
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
