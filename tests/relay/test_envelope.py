"""Keys and envelopes: only a sound key, only its signature, only one spelling, and never an error but our own."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from bot.relay import envelope
from bot.relay.envelope import Opened, PrivateKey, PublicKey, b64, open_envelope, seal, sender_of, unb64
from bot.relay.wire import LARGEST, MalformedError, Message, Result, Welcome, WireError

BOT, OTHER = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
KEYS = {BOT.public.kid: BOT.public}
WELCOME = Welcome("a" * 32, "b" * 32, 1_795_000_000_000, "bot-1")
RESULT = Result("1" * 32, "2" * 32, True, "done", "x", False, 12, -5, 1)
P = 2**255 - 19


def opening(text: str, *expected: type[Message]) -> str:
    try:
        open_envelope(text, KEYS, expected or (Welcome,))
    except WireError as error:
        return error.reason
    return "accepted"


def signed(header: str | dict[str, Any], payload: bytes | None = None, key: PrivateKey = BOT) -> str:
    """Any header at all, honestly signed."""
    head = header if isinstance(header, str) else json.dumps(header)
    body = b"{}" if payload is None else payload
    said = f"{b64(head.encode())}.{b64(body)}"
    return f"{said}.{b64(key._key.sign(said.encode()))}"


def header(**change: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "kid": BOT.public.kid, "typ": "probe-welcome"} | change


PAYLOAD = json.dumps({"sid": "a" * 32, "bnonce": "b" * 32, "now": 1, "inst": "x"}).encode()


# Keys.


def test_a_key_id_is_the_thumbprint_that_others_compute() -> None:
    theirs = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(BOT.public.raw))
    assert BOT.public.kid == theirs.thumbprint()


def test_a_fingerprint_can_be_read_aloud_and_differs_from_key_to_key() -> None:
    assert [len(group) for group in BOT.public.fingerprint.split("-")] == [4] * 8
    assert BOT.public.fingerprint != OTHER.public.fingerprint


def test_a_private_key_does_not_show_itself() -> None:
    assert repr(BOT) == "PrivateKey()"


def test_a_key_made_from_given_randomness_is_the_same_again() -> None:
    assert PrivateKey.generate(lambda length: b"\1" * length) == BOT
    assert PrivateKey.generate() != PrivateKey.generate()


def points_of_small_order() -> list[int]:
    """Found here by doubling on the curve, not copied from the list under test."""
    d = -121665 * pow(121666, -1, P) % P

    def x_of(y: int) -> int | None:
        square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
        root = pow(square, (P + 3) // 8, P)
        for x in (root, root * pow(2, (P - 1) // 4, P) % P):
            if x * x % P == square:
                return x
        return None

    def doubled(x: int, y: int) -> tuple[int, int]:
        k = d * x * x * y * y
        return 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P

    small = []
    for y in {0, 1, P - 1, *(int.from_bytes(bytes.fromhex(known), "little") for known in KNOWN)}:
        x = x_of(y)
        assert x is not None
        point = (x, y)
        for _ in range(3):
            point = doubled(*point)
        assert point == (0, 1)
        small.append(y)
    return small


KNOWN = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_public_key_of_small_order_is_refused(sign: int) -> None:
    small = points_of_small_order()
    assert len(small) == 5
    for y in small:
        with pytest.raises(MalformedError, match="bad-key"):
            PublicKey((y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(32), bytes(31), bytes(33), P.to_bytes(32, "little"), (P + 3).to_bytes(32, "little"), b"\xff" * 32,
     (2).to_bytes(32, "little")],
    ids=["none", "zero", "short", "long", "p", "beyond p", "ones", "off the curve"],
)  # fmt: skip
def test_a_public_key_that_is_no_key_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError, match="bad-key"):
        PublicKey(raw)


def test_under_a_key_of_small_order_anybodys_signature_would_hold() -> None:
    """Why the rule is there."""
    neutral = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"anything at all")
    with pytest.raises(MalformedError):
        PublicKey(neutral)


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_made_is_taken(seed: bytes) -> None:
    assert PublicKey.from_text(PrivateKey(seed).public.text) == PrivateKey(seed).public


def test_a_private_key_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedError, match="bad-key"):
        PrivateKey(bytes(31))


# Envelopes.


def test_what_was_sealed_is_opened_with_the_key_that_sealed_it() -> None:
    text = seal(WELCOME, BOT)
    assert open_envelope(text, KEYS, (Welcome,)) == Opened(BOT.public.kid, WELCOME)
    assert sender_of(text) == BOT.public.kid
    assert json.loads(unb64(text.split(".")[0])) == header()


def test_another_type_than_expected_is_refused() -> None:
    assert opening(seal(RESULT, BOT)) == "unknown-typ"


def test_an_unknown_type_is_refused() -> None:
    assert opening(signed(header(typ="JWT"), PAYLOAD)) == "unknown-typ"


@pytest.mark.parametrize(
    "more", [{"jwk": "x"}, {"jku": "https://x"}, {"x5u": "x"}, {"crit": "b64"}, {"cty": "x"}], ids=str
)
def test_a_header_with_another_field_is_refused(more: dict[str, str]) -> None:
    assert opening(signed(header(**more), PAYLOAD)) == "header-fields"


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_a_header_without_one_of_its_fields_is_refused(name: str) -> None:
    less = {key: value for key, value in header().items() if key != name}
    assert opening(signed(less, PAYLOAD)) == "header-fields"


@pytest.mark.parametrize("value", [1, None, [], {}, True])
@pytest.mark.parametrize("name", ["alg", "kid", "typ", "crit"])
def test_a_header_field_that_is_no_text_is_refused(name: str, value: object) -> None:
    assert opening(signed(header(**{name: value}), PAYLOAD)) == "header-fields"


def test_a_header_field_named_twice_is_refused() -> None:
    whole = json.dumps(header())
    assert opening(signed(whole[:-1] + ', "typ": "probe-welcome"}', PAYLOAD)) == "duplicate-key"


@pytest.mark.parametrize("kid", ["../../key", "", OTHER.public.kid])
def test_the_key_of_another_name_does_not_open(kid: str) -> None:
    assert opening(signed(header(kid=kid), PAYLOAD)) == "unknown-key"


def test_a_signature_by_another_key_under_our_keys_name_is_refused() -> None:
    assert opening(signed(header(), PAYLOAD, OTHER)) == "bad-signature"


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA", "ES256", "RS256", "Ed448", "ed25519", ""])
def test_no_algorithm_but_one_counts(alg: str) -> None:
    assert opening(signed(header(alg=alg), PAYLOAD)) == "bad-signature"
    unsigned = signed(header(alg=alg), PAYLOAD).rpartition(".")[0] + "."
    assert opening(unsigned) in ("bad-signature", "not-an-envelope")


def test_the_public_key_used_as_a_shared_secret_opens_nothing() -> None:
    said = f"{b64(json.dumps(header(alg='HS256')).encode())}.{b64(PAYLOAD)}"
    mac = hashlib.sha256(BOT.public.raw + said.encode()).digest()
    assert opening(f"{said}.{b64(mac)}") == "bad-signature"


def test_an_envelope_of_more_than_64_kib_is_refused_before_it_is_read() -> None:
    assert opening("a" * (LARGEST + 1)) == "too-large"
    with pytest.raises(MalformedError, match="too-large"):
        seal(replace(RESULT, data="x" * 50_000), BOT)
    assert opening(seal(replace(RESULT, data="x" * 48_000), BOT), Result) == "accepted"


def test_another_spelling_of_the_same_bytes_is_refused() -> None:
    text = seal(WELCOME, BOT)
    spare = text[:-1] + chr(ord(text[-1]) + 1)
    padded = text.replace(".", "=.", 1)
    assert base64.urlsafe_b64decode(spare.split(".")[2] + "==") == base64.urlsafe_b64decode(text.split(".")[2] + "==")
    assert opening(spare) == "not-base64"
    assert opening(padded) == opening(text + "\n") == opening(" " + text) == "not-base64"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c.d", "...", "e30.e30.e30", "ü.ü.ü"])
def test_what_is_no_envelope_is_refused(text: str) -> None:
    assert opening(text) in ("not-an-envelope", "not-base64", "not-json", "header-fields")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"{}", PAYLOAD[:-1] + b',"sid":"x"}', b"\xff", b"null"])
def test_a_signature_does_not_excuse_what_it_signs(payload: bytes) -> None:
    assert opening(signed(header(), payload)) not in ("accepted", "bad-signature")


# Fuzz: nothing but our own error, and soon.


@settings(max_examples=120)
@given(st.text(max_size=400) | st.from_regex(r"[A-Za-z0-9_-]{0,80}(\.[A-Za-z0-9_-]{0,80}){0,4}", fullmatch=True))
def test_no_text_makes_the_opener_raise_anything_but_its_own_error(text: str) -> None:
    assert opening(text) != "accepted"


FIELDS = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=120)
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip"]), VALUES, max_size=7), VALUES)
def test_no_header_and_no_payload_make_it_raise_anything_but_its_own_error(
    change: dict[str, Any], body: object
) -> None:
    assert opening(signed(header() | change, PAYLOAD)) != ("accepted" if change else "")
    assert opening(signed(header(), json.dumps(body).encode())) != "accepted"


@settings(max_examples=120)
@given(st.data())
def test_an_envelope_altered_in_one_place_is_no_envelope(data: st.DataObject) -> None:
    text = seal(WELCOME, BOT)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_characters=text[at]))
    assert opening(text[:at] + other + text[at + 1 :]) != "accepted"


WORST = [
    "A" * LARGEST,
    "." * LARGEST,
    f"{b64(b'[' * 30_000)}.{b64(b'[' * 10_000)}.A",
    signed(header(), b"[" * 40_000),
    signed(header(), b'{"a":' * 8_000 + b"1" + b"}" * 8_000),
    signed(header(), b'{"now":' + b"9" * 40_000 + b"}"),
    signed(header(), b'{"inst":"' + b"a" * 40_000 + b'"}'),
    signed(header(), b"{" + b",".join(b'"%d":1' % n for n in range(4_000)) + b"}"),
    signed(header(typ="x" * 40_000), PAYLOAD),
]


@pytest.mark.parametrize("text", WORST, ids=range(len(WORST)))
def test_the_worst_of_texts_is_refused_soon(text: str) -> None:
    began = time.process_time()
    assert opening(text) != "accepted"
    assert time.process_time() - began < 0.5


# Teeth: each rule taken away in turn.


def other_fields() -> None:
    test_a_header_with_another_field_is_refused({"jwk": "x"})


def no_algorithm() -> None:
    assert opening(signed(header(alg="EdDSA"), PAYLOAD)) == "bad-signature"


def other_name() -> None:
    assert opening(signed(header(kid=OTHER.public.kid), PAYLOAD)) == "unknown-key"


def any_spelling(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def first_key(_: str, keys: dict[str, PublicKey]) -> PublicKey:
    return next(iter(keys.values()))


def unverified(text: str, _: PublicKey) -> bytes:
    return unb64(text.split(".")[1])


def header_checks_but(reason: str) -> MappingProxyType[str, Any]:
    return MappingProxyType({name: check for name, check in envelope.HEADER_CHECKS.items() if name != reason})


SEAMS: list[tuple[str, object, Callable[[], None]]] = [
    ("HEADER_CHECKS", header_checks_but("header-fields"), other_fields),
    ("HEADER_CHECKS", header_checks_but("unknown-typ"), test_another_type_than_expected_is_refused),
    ("ALGORITHMS", ("Ed25519", "EdDSA"), no_algorithm),
    ("key_for", first_key, other_name),
    ("_verified", unverified, test_a_signature_by_another_key_under_our_keys_name_is_refused),
    ("unb64", any_spelling, test_another_spelling_of_the_same_bytes_is_refused),
    ("LARGEST", 10**6, test_an_envelope_of_more_than_64_kib_is_refused_before_it_is_read),
    ("_SMALL_ORDER", frozenset(), test_under_a_key_of_small_order_anybodys_signature_would_hold),
    ("_on_curve", lambda _: True, lambda: test_a_public_key_that_is_no_key_is_refused((2).to_bytes(32, "little"))),
]


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(("name", "stand_in", "proof"), SEAMS, ids=[name for name, _, _ in SEAMS])
def test_a_rule_of_the_envelope_taken_away_is_noticed(
    name: str, stand_in: object, proof: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    proof()
    monkeypatch.setattr(envelope, name, stand_in)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        proof()


def test_every_rule_of_the_header_is_among_them() -> None:
    assert set(envelope.HEADER_CHECKS) == {"header-fields", "unknown-typ"}
