"""The whole demo in one process: said on the page's wire, answered by the real bot from the simulated tenant."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.cards.plain import plain
from bot.enrolling import Enrolling
from bot.probe.enrolling import enrol
from bot.probe.identity import State
from bot.probe.ways import FallbackWay
from bot.relay.envelope import Standing
from infra.local.demo import Demo, banner, demo, running_demo
from infra.local.personas import BOT, PERSONAS
from infra.local.stories import STORIES
from skills.verdict import State as VerdictState
from skills.views.words import STATE_WORDS

VERDICTS = {STATE_WORDS[state].upper() for state in VerdictState}
PATIENCE = 30.0


class Page:
    """What the chat page does, without a browser."""

    def __init__(self, url: str, session: aiohttp.ClientSession, persona: str, scene: str) -> None:
        self._url, self._session = url, session
        self._who = {"persona": persona, "place": scene}
        self.shown: list[dict[str, Any]] = []

    async def say(self, text: str, **more: str) -> str:
        async with self._session.post(f"{self._url}/chat/say", json={**self._who, "text": text, **more}) as response:
            assert response.status == 201
            return str((await response.json())["id"])

    async def press(self, message: dict[str, Any], title: str) -> str | None:
        action = next(each for each in message["card"]["actions"] if each["title"] == title)
        asked = {**self._who, "messageId": message["id"], "verb": action["verb"], "data": action["data"]}
        async with self._session.post(f"{self._url}/chat/press", json=asked) as response:
            assert response.status == 200
            notice = (await response.json())["notice"]
            return None if notice is None else str(notice)

    async def answers(self, to: str, until: set[str] = VERDICTS, *, scene: str | None = None) -> list[dict[str, Any]]:
        """All that the bot showed in answer, up to a card whose first word is one of these."""
        scene = scene or self._who["place"]
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE), self._socket() as live:
            async for event in live:
                told = event.json()
                for each in told.get("messages") or [told.get("message") or {}]:
                    if each.get("sender") == BOT and each["card"] and int(each["id"]) > int(to):
                        seen += [each] if each["scene"] == scene else []
                if seen and word(seen[-1]) in until:
                    return seen
        raise AssertionError("the page was cut off")

    async def told(self, message: str, state: str) -> dict[str, Any]:
        """This very message, once its card begins with this word."""
        async with asyncio.timeout(PATIENCE), self._socket() as live:
            async for event in live:
                told = event.json()
                for each in told.get("messages") or [told.get("message") or {}]:
                    if each.get("id") == message and each["card"] and word(each) == state:
                        return dict(each)
        raise AssertionError("the page was cut off")

    def _socket(self) -> Any:
        return self._session.ws_connect(f"{self._url}/chat/live?persona={self._who['persona']}")


def word(message: dict[str, Any]) -> str:
    """The state that a card begins with."""
    return plain(message["card"]).strip().split("\n")[0].strip()


@pytest.fixture
async def running() -> AsyncIterator[Demo]:
    async with running_demo(latency=0.02) as begun:
        yield begun


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_the_first_card_becomes_the_verdict_and_a_button_asks_again(
    running: Demo, session: aiohttp.ClientSession
) -> None:
    page = Page(running.url, session, "admin", "channel")
    watching = asyncio.create_task(page.answers("0"))
    await asyncio.sleep(0)
    question = await page.say("why isn't jdoe syncing")
    seen = await watching
    assert word(seen[0]) == "LOOKING"
    assert {each["id"] for each in seen} == {seen[-1]["id"]}
    assert (seen[-1]["thread"], seen[-1]["edited"]) == (question, True)
    asked_before = len(running.graph.requests)
    assert await page.press(seen[-1], "Check again") is None
    again = (await page.answers(question))[-1]
    assert (again["id"], word(again) in VERDICTS) == (seen[-1]["id"], True)
    assert again["card"] != seen[-1]["card"]
    assert len(running.graph.requests) > asked_before


async def test_a_reply_in_the_thread_keeps_the_subject(running: Demo, session: aiohttp.ClientSession) -> None:
    page = Page(running.url, session, "admin", "channel")
    question = await page.say("why isn't jdoe syncing")
    first = (await page.answers(question))[-1]
    reply = await page.say("check him again", thread=question)
    second = (await page.answers(reply))[-1]
    assert (second["thread"], second["id"] != first["id"]) == (question, True)
    assert word(second) == word(first)


async def test_jdoe_may_not_ask_about_others_but_about_herself_and_in_private(
    running: Demo, session: aiohttp.ClientSession
) -> None:
    page = Page(running.url, session, "jdoe", "channel")
    refused = await page.answers(await page.say("why isn't aadmin syncing"), {"NOT ALLOWED"})
    assert "does not let you ask about other people" in refused[-1]["summary"]
    own = await page.say("is my account in sync")
    assert (await page.answers(own, {"PRIVATE"}))[-1]["scene"] == "channel"
    private = (await page.answers(own, scene="personal"))[-1]
    assert "Asked by Jane Doe" in plain(private["card"])
    assert word(private) in VERDICTS


async def test_jdoe_cannot_press_what_an_admin_was_offered(running: Demo, session: aiohttp.ClientSession) -> None:
    admin, jdoe = (Page(running.url, session, who, "channel") for who in ("admin", "jdoe"))
    question = await admin.say("why isn't jdoe syncing")
    verdict = (await admin.answers(question))[-1]
    asked_before = len(running.graph.asked("/auditLogs/provisioning"))
    await jdoe.press(verdict, "Check again")
    assert len(running.graph.asked("/auditLogs/provisioning")) == asked_before


async def test_a_question_writes_nothing_in_the_tenant(running: Demo, session: aiohttp.ClientSession) -> None:
    page = Page(running.url, session, "helpdesk", "personal")
    await page.answers(await page.say("why isn't jdoe syncing"))
    assert running.graph.requests
    assert running.graph.writes == []


async def test_a_cut_relay_is_named_from_its_silence_and_from_what_the_fallback_tells(
    session: aiohttp.ClientSession,
) -> None:
    async with running_demo(story="servicebus-blocked", latency=0.02) as begun:
        contacts = await begun.side.probes.contacts()
        assert {(each.relay, each.fallback) for each in contacts} == {(False, True)}
        page = Page(begun.url, session, "admin", "channel")
        verdict = (await page.answers(await page.say("why isn't jdoe syncing")))[-1]
        told = plain(verdict["card"])
        assert word(verdict) == "BLOCKED"
        assert "servicebus.windows.net:443" in told
        assert "our own relay, in the same Service Bus domain, is silent too; HTTPS answers" in told
        tested = (await page.answers(await page.say("test the network from SRV-SYNC01")))[-1]
        assert "SRV-SYNC01" in plain(tested["card"])
        assert "timed out" in plain(tested["card"])


async def test_a_relay_that_is_cut_while_the_bot_runs_is_seen_and_so_is_its_return(running: Demo) -> None:
    async def until(relay: bool) -> None:
        async with asyncio.timeout(PATIENCE):
            while {each.relay for each in await running.side.probes.contacts()} != {relay}:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.1)

    running.relay.firewall.close()
    await until(False)
    answers = await running.side.probes.ask("tcp", {})
    assert {answer.probe for answer in answers} == {"SRV-SYNC01", "SRV-SYNC02"}
    running.relay.firewall.open()
    await until(True)


async def test_a_server_is_enrolled_in_chat_by_two_admins(
    running: Demo, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    alex = Page(running.url, session, "admin", "personal")
    invited = (await alex.answers(await alex.say("enrol SRV-NEW03"), {"TOKEN"}))[-1]
    token = re.search(r"whysync1\.[A-Za-z0-9_-]+", json.dumps(invited["card"]))
    assert token is not None
    done = await enrol(token[0], State(tmp_path / "state"), FallbackWay())
    line = f"confirm SRV-NEW03 {done.identity.key.public.fingerprint}"
    await alex.answers(await alex.say(line), {"REFUSED"})
    assert await standing(running) is Standing.WAITING
    sam = Page(running.url, session, "second", "personal")
    await sam.answers(await sam.say(line), {"CONFIRMED"})
    assert await standing(running) is Standing.CONFIRMED
    await sam.answers(await sam.say("revoke SRV-NEW03"), {"REVOKED"})
    assert await standing(running) is Standing.REVOKED


async def test_a_quarantine_is_cleared_by_two_people_once_and_every_copy_is_told(
    session: aiohttp.ClientSession,
) -> None:
    async with running_demo(story="mended", latency=0.02) as begun:
        alex, sam = (Page(begun.url, session, who, "channel") for who in ("admin", "second"))
        asked = await alex.say("clear the quarantine because the firewall is open again since nine")
        request = (await alex.answers(asked, {"WAITING FOR APPROVAL"}))[-1]
        found = re.search(r"approve ([2-9A-HJ-NP-Z]{4}) ([0-9a-f]{8})", plain(request["card"]))
        assert found is not None
        assert begun.graph.writes == []
        await alex.answers(await alex.say(found[0]), {"NOT DONE", "REFUSED"})
        assert begun.graph.writes == [], "nobody approves what they asked for"
        watching = asyncio.create_task(alex.told(request["id"], "DONE"))
        await sam.say(found[0])
        outcome = await watching
        assert [(write.path.rpartition("/")[2], write.body) for write in begun.graph.writes] == [
            ("restart", '{"criteria": {"resetScope": "QuarantineState"}}')
        ]
        assert "Alex Admin" in plain(outcome["card"])
        await sam.say(found[0])
        await asyncio.sleep(1.0)
        assert len(begun.graph.writes) == 1


async def test_the_helpdesk_runs_one_person_now(running: Demo, session: aiohttp.ClientSession) -> None:
    heidi = Page(running.url, session, "helpdesk", "personal")
    done = (await heidi.answers(await heidi.say("provision newhire now"), {"DONE", "FAILED"}))[-1]
    told = plain(done["card"])
    assert word(done) == "DONE", told
    assert "Tell the user" in told
    assert [write.path.rpartition("/")[2] for write in running.graph.writes] == ["provisionOnDemand"]
    refused = await heidi.answers(await heidi.say("clear the quarantine because I say so myself"), {"NOT ALLOWED"})
    assert refused
    assert len(running.graph.writes) == 1


async def standing(running: Demo) -> Standing:
    assert isinstance(running.side.enrolment, Enrolling)
    records = {record.name: record for record in await running.side.enrolment.list()}
    return records["SRV-NEW03"].probe.standing


async def test_the_page_is_told_who_can_be_played_and_what_to_ask(
    running: Demo, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{running.url}/chat/setting") as response:
        setting = await response.json()
    assert [each["key"] for each in setting["personas"]] == list(PERSONAS)
    assert setting["suggestions"][0] == "why isn't jdoe syncing"


async def test_the_page_and_its_parts_are_served_and_may_load_nothing_from_elsewhere(
    running: Demo, session: aiohttp.ClientSession
) -> None:
    for path in ["/", "/page/app.js", "/page/cards.js", "/page/view.js", "/page/style.css"]:
        async with session.get(running.url + path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert response.status == 200
        assert "default-src 'none'" in policy
        assert "http" not in policy


@pytest.mark.parametrize("story", STORIES)
async def test_every_story_is_a_demo_with_a_question_to_type(story: str) -> None:
    async with running_demo(story=story) as begun:
        told = banner(begun, story)
        assert begun.url in told
        assert str(begun.world.ask) in told


async def test_who_never_reached_the_cloud_cannot_be_played() -> None:
    async with running_demo(story="out-of-scope") as begun:
        assert "Jane Doe" not in banner(begun, "out-of-scope")
    async with running_demo(story="healthy") as begun:
        assert "Jane Doe" in banner(begun, "healthy")


async def test_an_unknown_story_is_refused_with_the_list_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert await demo(0, "no-such-story", open_browser=False) == 2
    said = capsys.readouterr().err
    assert [story for story in STORIES if story not in said] == []


async def test_a_port_in_use_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert await demo(port, "healthy", open_browser=False) == 2
    assert capsys.readouterr().err == f"Port {port} is in use. Choose another one: whysync demo --port {port + 1}\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_ends_all_of_it_with_status_0() -> None:
    command = [sys.executable, "-m", "bot", "demo", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""
