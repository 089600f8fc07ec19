"""Whatever is done to an export is noticed, and called by its name."""

import json
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.audit_chain import (
    GENESIS,
    Entry,
    Flaw,
    Head,
    Link,
    after,
    checkpoint_line,
    hash_of,
    line_of,
    read,
    sign,
    told,
    verify,
)
from bot.relay.envelope import PrivateKey

KEY, OTHER = PrivateKey(bytes(range(32))), PrivateKey(bytes(range(1, 33)))
KEYS = {KEY.public.kid: KEY.public}
NOW = "2026-11-21T09:00:00+00:00"
COUNT = 6


def entry(n: int, reason: str = "Łukasz said: “it is open” \u2028 again") -> Entry:
    return Entry(NOW, "oid-anna", "a1b2", "clear_quarantine", "sp/job", "d" * 64, "approve: approved", reason, f"r/{n}")


@cache
def links(chain: str = "one", count: int = COUNT, **more: str) -> tuple[Link, ...]:
    head, made = Head(chain), []
    for n in range(1, count + 1):
        made.append(after(head, entry(n, **more)))
        head = Head(chain, n, made[-1].h)
    return tuple(made)


def head(chain: str = "one", n: int = COUNT) -> Head:
    return Head(chain, n, links(chain)[n - 1].h)


def lines() -> list[str]:
    records = [line_of(link) for chain in ("one", "two") for link in links(chain)]
    signed = [checkpoint_line(sign(head(chain, n), NOW, KEY)) for chain in ("one", "two") for n in (3, COUNT)]
    return [*signed, *records]


def data(them: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in them).encode()


def flaws(them: list[str]) -> list[Flaw]:
    return [found.flaw for found in verify(read(data(them)), KEYS).findings]


def test_an_export_as_it_was_written_has_no_flaw():
    found = verify(read(data(lines())), KEYS)
    assert (found.records, found.chains, found.checkpoints, found.findings) == (2 * COUNT, 2, 4, ())


def test_the_order_of_its_lines_does_not_matter():
    assert flaws(lines()[::-1]) == []


ONE = slice(4, 4 + COUNT)
"""Where the first chain's records are."""


def gap(them: list[str]) -> list[str]:
    return them[:6] + them[7:]


def truncated(them: list[str]) -> list[str]:
    return them[: 4 + COUNT - 2] + them[4 + COUNT :]


def all_gone(them: list[str]) -> list[str]:
    return them[:4] + them[4 + COUNT :]


def edited(them: list[str]) -> list[str]:
    return [line.replace("approve: approved", "deny: denied   ") if n == 6 else line for n, line in enumerate(them)]


def renumbered(them: list[str]) -> list[str]:
    body = json.loads(them[4 + COUNT - 1])
    return [*them[: 4 + COUNT - 1], line_of(Link("one", COUNT + 1, body["record"], body["h"])), *them[4 + COUNT :]]


def last_one_written_anew(them: list[str]) -> list[str]:
    """With the right hash, by somebody who knows how."""
    other = after(head(n=COUNT - 1), entry(COUNT, "something else was said"))
    return [*them[: 4 + COUNT - 1], line_of(other), *them[4 + COUNT :]]


def all_written_anew(them: list[str]) -> list[str]:
    return [*them[:4], *map(line_of, links("one", COUNT, reason="never heard of it")), *them[4 + COUNT :]]


def forked(them: list[str]) -> list[str]:
    return [*them, line_of(after(head(n=2), entry(3, "another history")))]


def spliced(them: list[str]) -> list[str]:
    """A record of another history in the place of one of ours: it follows something else."""
    strange = after(Head("one", 3, "f" * 64), entry(4))
    return [*them[:7], line_of(strange), *them[8:]]


def strange_key(them: list[str]) -> list[str]:
    return [*them, checkpoint_line(sign(head(), NOW, OTHER))]


def forged(them: list[str]) -> list[str]:
    """A checkpoint that names our key and was signed by another."""
    ours, theirs = (sign(head(), NOW, key).split(".") for key in (KEY, OTHER))
    return [*them, checkpoint_line(".".join([ours[0], ours[1], theirs[2]]))]


def garbage(them: list[str]) -> list[str]:
    return [*them, '{"chain": "one", "n": true, "record": "{}", "h": ""}']


DAMAGE: dict[str, tuple[Callable[[list[str]], list[str]], set[Flaw]]] = {
    "a record is missing": (gap, {Flaw.GAP}),
    "the end is missing": (truncated, {Flaw.TRUNCATION}),
    "a whole chain is missing": (all_gone, {Flaw.TRUNCATION}),
    "a record was changed": (edited, {Flaw.EDIT}),
    "a record got another number": (renumbered, {Flaw.GAP, Flaw.EDIT}),
    "the last record was written anew": (last_one_written_anew, {Flaw.EDIT}),
    "the whole chain was written anew": (all_written_anew, {Flaw.EDIT}),
    "two records for one number": (forked, {Flaw.FORK}),
    "a record that follows another one": (spliced, {Flaw.FORK}),
    "a checkpoint by another key": (strange_key, {Flaw.UNKNOWN_KEY}),
    "a forged checkpoint": (forged, {Flaw.FORGED}),
    "a line that is none": (garbage, {Flaw.UNREADABLE}),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_called_by_its_name(damage: Callable[[list[str]], list[str]], expected: set[Flaw]):
    assert set(flaws(damage(lines()))) == expected


def test_without_checkpoints_a_shortened_chain_looks_whole_which_is_why_they_go_elsewhere():
    shortened = truncated(lines())[4:]
    assert flaws(shortened) == []
    kept_elsewhere = lines()[:4]
    assert set(flaws([*shortened, *kept_elsewhere])) == {Flaw.TRUNCATION}


WHOLE = data(lines())


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
@example(len(WHOLE) - 1, ord(" "))
@example(len(WHOLE) - 1, ord("\r"))
@settings(max_examples=250, deadline=None)
def test_no_single_byte_can_be_changed_unnoticed(at: int, byte: int):
    changed = WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :]
    assert (changed == WHOLE) or verify(read(changed), KEYS).findings


@given(st.integers(0, len(WHOLE) - 1))
@settings(max_examples=60, deadline=None)
def test_no_single_byte_can_be_taken_out_or_put_in_unnoticed(at: int):
    assert verify(read(WHOLE[:at] + WHOLE[at + 1 :]), KEYS).findings
    assert verify(read(WHOLE[:at] + b"\n" + WHOLE[at:]), KEYS).findings


def test_the_last_digits_of_a_signature_have_one_spelling():
    """Base64 leaves bits over: another last letter can mean the same bytes."""
    signed = sign(head(), NOW, KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [checkpoint_line(signed[:-1] + letter) for letter in alphabet if letter != signed[-1]]
    assert all(flaws([*lines(), other]) == [Flaw.FORGED] for other in others)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_reasons_are_one_short_line_that_can_be_read(reason: str):
    kept = told(reason)
    assert len(kept) <= 500
    assert kept.isprintable()
    link = after(Head("one"), entry(1, reason))
    assert hash_of("one", GENESIS, link.text) == link.h
    assert "\n" not in line_of(link)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=60, deadline=None)
def test_nothing_that_a_line_may_hold_stops_the_verifier(body: object):
    line = json.dumps(body)
    assert verify(read(f"{line}\n".encode()), KEYS).findings


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        "",
        " ",
        "null",
        "\ufeff{}",
        '{"checkpoint": ""}',
        '{"checkpoint": "a.b.c"}',
        '{"chain": "\\ud800", "h": "", "n": 1, "record": "{}"}',
        '{"chain": "c", "h": "", "n": 1, "record": "' + "[" * 50_000 + '"}',
    ],
)
def test_hostile_lines_are_flaws_and_no_more(line: str):
    assert verify(read(f"{line}\n".encode("utf-8", "surrogatepass")), KEYS).findings
