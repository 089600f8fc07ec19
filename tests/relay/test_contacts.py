"""When a probe counts as deaf on the relay: only by a question that it answered on the fallback and never there."""

from datetime import UTC, datetime

from bot.clock import VirtualClock
from bot.relay.contacts import DEAF_AFTER, Contacts
from bot.relay.envelope import Contact
from bot.relay.link import Heard, LinkState, Way

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
GEN = "ab" * 16
SESSION = Contact("sid", "nonce", 0, frozenset(), "0.1")


class OpenLink:
    def __init__(self, way: Way) -> None:
        self.way, self.state = way, LinkState(True, AT)

    async def run(self, heard: Heard) -> None:
        raise AssertionError("nobody runs it here")

    async def send(self, envelope: str, to: str = "") -> None:
        raise AssertionError("nothing is sent here")


def met() -> tuple[VirtualClock, Contacts]:
    clock = VirtualClock(AT)
    contacts = Contacts(clock, [OpenLink(Way.RELAY), OpenLink(Way.FALLBACK)])
    contacts.alive(GEN, Way.RELAY, SESSION)
    return clock, contacts


def test_a_question_answered_on_the_fallback_alone_makes_the_relay_deaf() -> None:
    clock, contacts = met()
    contacts.asked(GEN, Way.RELAY, "tcp")
    clock.advance(DEAF_AFTER)
    contacts.answered(GEN, Way.FALLBACK, "tcp", "done")
    assert contacts.on(GEN, Way.RELAY) is False


def test_what_the_relay_has_answered_no_longer_hangs() -> None:
    clock, contacts = met()
    contacts.asked(GEN, Way.RELAY, "tcp")
    clock.advance(1.0)
    contacts.answered(GEN, Way.RELAY, "tcp", "done")
    clock.advance(DEAF_AFTER)
    contacts.answered(GEN, Way.FALLBACK, "tcp", "done")
    assert contacts.on(GEN, Way.RELAY) is True


def test_another_answer_on_the_fallback_says_nothing_of_a_question_that_hangs() -> None:
    clock, contacts = met()
    contacts.asked(GEN, Way.RELAY, "tcp")
    clock.advance(DEAF_AFTER)
    contacts.answered(GEN, Way.FALLBACK, "dns", "done")
    assert contacts.on(GEN, Way.RELAY) is True
