"""What a button means stands with us: an opaque id, one conversation, one day, and never more than so many."""

import re
from datetime import UTC, datetime

import pytest

from bot import offers
from bot.answering import Offer
from bot.clock import VirtualClock
from bot.offers import LIFE, VERB, OfferBook
from bot.turns import ChatKind, Place

HERE = Place("here", ChatKind.CHANNEL, "t", None, {})
THERE = Place("there", ChatKind.CHANNEL, "t", None, {})
OFFER = Offer("Check again", "why isn't jdoe syncing")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 20, tzinfo=UTC))


def given(book: OfferBook, place: Place = HERE) -> str:
    return str(book.button(OFFER, place)["data"]["action_id"])


def test_a_button_tells_nothing_of_what_it_means(clock: VirtualClock) -> None:
    made = OfferBook(clock).button(OFFER, HERE)

    assert made["data"] == {"verb": VERB, "action_id": made["data"]["action_id"]}
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", made["data"]["action_id"])
    assert "jdoe" not in str(made)


def test_no_two_buttons_share_an_id(clock: VirtualClock) -> None:
    book = OfferBook(clock)

    assert len({given(book) for _ in range(500)}) == 500


def test_a_button_means_what_it_was_made_for_more_than_once(clock: VirtualClock) -> None:
    book = OfferBook(clock)
    ident = given(book)

    for _ in range(2):
        taken = book.take(ident, HERE)
        assert taken is not None
        assert taken.ask == OFFER.ask


def test_in_another_conversation_it_means_nothing(clock: VirtualClock) -> None:
    book = OfferBook(clock)

    assert book.take(given(book, HERE), THERE) is None


@pytest.mark.parametrize("ident", [None, "", "A" * 24, "ask"])
def test_an_id_that_was_never_given_means_nothing(clock: VirtualClock, ident: str | None) -> None:
    book = OfferBook(clock)
    given(book)

    assert book.take(ident, HERE) is None


def test_after_a_day_it_means_nothing(clock: VirtualClock) -> None:
    book = OfferBook(clock)
    ident = given(book)

    clock.advance(LIFE)
    assert book.take(ident, HERE) is not None
    clock.advance(1)
    assert book.take(ident, HERE) is None


def test_the_oldest_go_when_there_are_too_many(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MOST", 3)
    book = OfferBook(clock)
    idents = [given(book) for _ in range(5)]

    assert [book.take(ident, HERE) is not None for ident in idents] == [False, False, True, True, True]
