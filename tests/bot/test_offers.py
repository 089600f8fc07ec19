"""What a button means stands with us: an opaque id, one conversation, one day, and never more than so many."""

import re
from datetime import UTC, datetime

import pytest
from store.model import ModelStore

from bot import offers
from bot.answering import Offer
from bot.clock import VirtualClock
from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.intents import Intent, NotUnderstood, Slots, Understood
from bot.offers import LIFE, NAMESPACE, VERB, OfferBook
from bot.store import Unavailable
from bot.turns import ChatKind, Place

HERE = Place("here", ChatKind.CHANNEL, "t", None, {})
THERE = Place("there", ChatKind.CHANNEL, "t", None, {})
OFFER = Offer("Check again", "why isn't jdoe syncing")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 20, 23, 30, tzinfo=UTC))


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


async def test_a_button_means_what_it_was_made_for_more_than_once(clock: VirtualClock) -> None:
    book = OfferBook(clock)
    ident = given(book)

    for _ in range(2):
        taken = await book.take(ident, HERE)
        assert taken is not None
        assert taken.ask == OFFER.ask


async def test_in_another_conversation_it_means_nothing(clock: VirtualClock) -> None:
    book = OfferBook(clock)

    assert await book.take(given(book, HERE), THERE) is None


@pytest.mark.parametrize("ident", [None, "", "A" * 24, "ask"])
async def test_an_id_that_was_never_given_means_nothing(clock: VirtualClock, ident: str | None) -> None:
    book = OfferBook(clock, ModelStore())
    given(book)

    assert await book.take(ident, HERE) is None


async def test_after_a_day_it_means_nothing(clock: VirtualClock) -> None:
    book = OfferBook(clock)
    ident = given(book)

    clock.advance(LIFE)
    assert await book.take(ident, HERE) is not None
    clock.advance(1)
    assert await book.take(ident, HERE) is None


async def test_the_oldest_go_when_there_are_too_many(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MOST", 3)
    book = OfferBook(clock)
    idents = [given(book) for _ in range(5)]

    assert [await book.take(ident, HERE) is not None for ident in idents] == [False, False, True, True, True]


# In the store.


async def test_another_instance_knows_what_was_saved_and_nothing_else(clock: VirtualClock) -> None:
    store = ModelStore()
    book, other = OfferBook(clock, store), OfferBook(clock, store)
    saved = given(book)
    await book.save()
    unsaved = given(book)

    taken = await other.take(saved, HERE)
    assert taken == await book.take(saved, HERE)
    assert await other.take(unsaved, HERE) is None
    assert await other.take(saved, THERE) is None


async def test_it_is_found_again_after_midnight_and_for_a_day_at_most(clock: VirtualClock) -> None:
    store = ModelStore()
    book = OfferBook(clock, store)
    ident = given(book)
    await book.save()

    clock.advance(LIFE)
    assert await OfferBook(clock, store).take(ident, HERE) is not None
    clock.advance(1)
    assert await OfferBook(clock, store).take(ident, HERE) is None


async def test_what_was_understood_is_the_same_after_a_restart(clock: VirtualClock) -> None:
    store = ModelStore()
    who = Identifier(IdentifierKind.UPN, "jdoe@contoso.com")
    lost = NotUnderstood((Intent("why", ("why {who}",), "why jdoe", "person"),), Slots(maybe=(who,)))
    meant = Understood("why", Slots(who=(who, SELF), codes=("X",), raw="why"), "why {who}", otherwise=lost, more=True)
    book = OfferBook(clock, store)
    ident = str(book.button(OFFER, HERE, meant)["data"]["action_id"])
    await book.save()
    taken = await OfferBook(clock, store).take(ident, HERE)

    assert taken is not None
    assert taken.understood == meant


async def test_bound_to_a_message_and_to_people_it_stays_so(clock: VirtualClock) -> None:
    store = ModelStore()
    book = OfferBook(clock, store)
    ident = book.given(HERE, request="r1", verbs=frozenset({"approve"}), who=frozenset({"anna"}))
    book.bind(ident, "m7")
    await book.save()
    taken = await OfferBook(clock, store).take(ident, HERE)

    assert taken is not None
    assert (taken.message, taken.who, taken.verbs) == ("m7", frozenset({"anna"}), frozenset({"approve"}))


async def test_a_store_that_is_away_costs_this_instance_nothing_and_another_says_so(clock: VirtualClock) -> None:
    store = ModelStore()
    book = OfferBook(clock, store)
    ident = given(book)
    store.down = True
    await book.save()

    assert await book.take(ident, HERE) is not None
    with pytest.raises(Unavailable):
        await OfferBook(clock, store).take(ident, HERE)


async def test_buttons_of_days_ago_are_swept_away(clock: VirtualClock) -> None:
    store = ModelStore()
    book = OfferBook(clock, store)
    for _ in range(3):
        given(book)
    await book.save()
    clock.advance(2 * LIFE)
    given(book)
    await book.save()

    kept = [pk for ns, pk, _ in store._ground.rows if ns == NAMESPACE]
    assert kept == ["20261122"]
