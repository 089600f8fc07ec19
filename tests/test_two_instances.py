"""Two `whysync serve` on one Table Storage and one relay: whoever is asked, clicked, restarted or killed, nothing is
lost, nothing is done twice, and nobody's firewall is blamed for it."""

import asyncio
import itertools
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bot.cards.plain import plain
from infra.local.activities import Post, said
from infra.local.azurite import NotInstalled, azurite, command
from infra.local.personas import PERSONAS, Scene
from infra.local.tenant import TENANT_ID
from tests.instances import VERDICTS, House, house, until, word
from tests.sdk_sessions import close_forgotten_sessions

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORK = "test the network from SRV-SYNC01"
WHY = "why isn't jdoe syncing"
KNOWN = frozenset({"FINE", "BLOCKED", "LOOK AT THIS"})
ASKERS = ("admin", "second")
UNKNOWN = frozenset({"NOT REACHABLE", "CANNOT TELL"})
BLAME = re.compile(r"firewall|is blocked|blocks", re.IGNORECASE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    try:
        command(0, Path())
    except NotInstalled as missing:
        pytest.skip(str(missing))
    async with azurite() as store, house(f"{store}/instances", tmp_path_factory.mktemp("house"), "mended") as built:
        yield built
    await close_forgotten_sessions()


@pytest_asyncio.fixture(loop_scope="module")
async def home(there: House) -> House:
    """Both run, one of them owns the probes, and both know that the probe's network is fine."""
    await asyncio.gather(*(each.start() for each in there.both if not each.running))
    for each in await there.owned():

        async def fine(via: object = each) -> bool:
            found = word((await there.asked(NETWORK, via, KNOWN | UNKNOWN)).content.card) == "FINE"  # type: ignore[arg-type]
            await asyncio.sleep(0.0 if found else 1.0)  # nobody may ask too fast
            return found

        await until(fine)
    return there


async def test_a_probe_is_asked_from_either_instance_and_comes_to_either_door(home: House) -> None:
    owner, other = await home.owned()
    for via in (other, owner):
        card = plain((await home.asked(NETWORK, via, KNOWN | UNKNOWN)).content.card)
        assert "Nothing is wrong with the network of SRV-SYNC01" in card
    hearing = home.relay.server.broker.queue("replies")._consumers
    assert len(hearing) == 1, "one instance hears what the probes say"


async def test_with_the_relay_cut_a_probe_that_polls_at_one_is_asked_by_the_other(home: House) -> None:
    owner, other = await home.owned()
    home.balancer.polls, taken = other, home.balancer.taken.get(other.name, 0)
    home.relay.firewall.close()
    try:
        for via in (owner, other):
            card = plain((await home.asked(NETWORK, via, KNOWN | UNKNOWN)).content.card)
            assert "Nothing is wrong with the network of SRV-SYNC01" in card
    finally:
        home.relay.firewall.open()
        home.balancer.polls = None
    assert home.balancer.taken[other.name] > taken


async def test_a_button_of_one_instances_card_is_answered_by_the_other(home: House) -> None:
    owner, other = await home.owned()
    for shown_by, pressed_at in ((owner, other), (other, owner)):
        shown = await home.asked("logs for jdoe", shown_by, frozenset({"LOG"}))
        before = plain(shown.content.card)
        assert await home.press(shown, "Check again", pressed_at) is None

        def renewed(ident: str = shown.ident, before: str = before) -> bool:
            card = next(each for each in home.shown() if each.ident == ident).content.card
            return word(card) == "LOG" and plain(card) != before

        await until(renewed)


async def test_a_follow_up_at_one_instance_is_about_what_the_other_has_answered(home: House) -> None:
    owner, other = await home.owned()
    await home.asked(WHY, owner, VERDICTS)
    card = await home.asked("who has to fix it", other, frozenset({"WHO MUST MOVE", "ABOUT WHAT?"}))
    assert word(card.content.card) == "WHO MUST MOVE"
    for each in home.both:
        await each.end(signal.SIGKILL)
        await each.start()
    card = await home.asked("what do I do first", owner, frozenset({"WHAT TO DO", "ABOUT WHAT?"}))
    assert word(card.content.card) == "WHAT TO DO", "nor has a restart of all lost it"


async def test_an_activity_that_comes_to_both_at_once_is_answered_once(home: House) -> None:
    persona = PERSONAS["helpdesk"]
    post = Post(persona, Scene.PERSONAL, datetime.now(UTC), f"{home.chat._url}/connector", TENANT_ID)
    before = len(home.shown("helpdesk"))
    async with aiohttp.ClientSession() as session:
        for number in range(10):
            body = said(post, f"same-{number}", "help")
            posts = [session.post(f"{each.url}/api/messages", json=body) for each in home.both for _ in range(2)]
            assert {response.status for response in await asyncio.gather(*posts)} == {200}
    await until(lambda: len(home.shown("helpdesk")) == before + 10)
    await asyncio.sleep(1.0)
    assert len(home.shown("helpdesk")) == before + 10


async def test_an_act_asked_for_at_one_is_decided_at_the_other_and_done_once(home: House) -> None:
    owner, other = await home.owned()
    words = "clear the quarantine because the firewall is open again since nine"
    request = await home.asked(words, owner, frozenset({"WAITING FOR APPROVAL"}), scene=Scene.CHANNEL)
    found = re.search(r"approve ([2-9A-HJ-NP-Z]{4}) ([0-9a-f]{8})", plain(request.content.card))
    assert found is not None
    await home.press(request, "Approve", other, who="second")
    await asyncio.gather(*(home.say(found[0], each, "second", Scene.CHANNEL) for each in home.both))

    def done() -> bool:
        card = next(each for each in home.shown("admin", Scene.CHANNEL) if each.ident == request.ident).content.card
        return word(card) == "DONE"

    await until(done)
    await asyncio.sleep(1.0)
    assert [write.path.rpartition("/")[2] for write in home.graph.writes] == ["restart"]


async def test_a_rolling_restart_in_a_stream_of_questions_loses_none_and_answers_none_twice(home: House) -> None:
    """Teams sends an activity again that nobody took; so does the balancer."""
    owner, other = await home.owned()
    before = {who: len(home.shown(who)) for who in ASKERS}
    asked: Counter[str] = Counter()
    streaming = True

    async def stream() -> None:
        """Two people, as fast as people are."""
        for who, text in itertools.cycle(itertools.product(ASKERS, (NETWORK, "logs for jdoe"))):
            if not streaming:
                return
            await home.say(text, None, who)
            asked[who] += 1
            await asyncio.sleep(2.0)

    def answered(who: str) -> list[str]:
        return [word(each.content.card) for each in home.shown(who)[before[who] :]]

    flowing = asyncio.create_task(stream())
    for each in (owner, other):
        await asyncio.sleep(3.0)
        await each.end(signal.SIGTERM)
        await each.start()
    await asyncio.sleep(3.0)
    streaming = False
    await flowing
    await until(lambda: all("LOOKING" not in answered(who) for who in ASKERS), lambda: [*map(answered, ASKERS)])
    for who in ASKERS:
        assert len(answered(who)) == asked[who] > 2, "each question got its answer, and one"
        assert {*answered(who)} <= {"FINE", "LOG"} | UNKNOWN, "nothing is found that is not there"
    assert await home.owner() is not None


async def test_when_the_owner_is_killed_the_other_takes_over_and_meanwhile_nobody_is_blamed(home: House) -> None:
    owner, other = await home.owned()
    loop = asyncio.get_running_loop()
    await owner.end(signal.SIGKILL)
    killed, told = loop.time(), []
    while not told or told[-1][0] != "FINE":
        card = plain((await home.asked(NETWORK, other, KNOWN | UNKNOWN)).content.card)
        told.append((card.split("\n")[0].strip(), card))
        assert loop.time() - killed < 60.0, told
    between = [card for state, card in told if state != "FINE"]
    assert all("another one is taking over" in card for card in between)
    assert not [card for card in between if BLAME.search(card)]
    assert await home.owner() is other
