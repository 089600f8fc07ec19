"""The probe as a process of its own, with the SDK against the local broker and the fallback over real sockets."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from process_site import ROOT, ProcessSite, process_site, until

FORBIDDEN = (
    "botbuilder",
    "opentelemetry",
    "msgraph",
    "kiota_abstractions",
    "kiota_http",
    "pydantic",
    "httpx",
    "aiohttp.web",
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[ProcessSite]:
    async with process_site(tmp_path) as here:
        yield here


def test_the_program_loads_neither_bot_nor_graph_nor_web_server() -> None:
    asked = "import bot.probe.running, bot.probe.opening, bot.probe.enrolling, bot.__main__, sys; "
    asked += f"print([each for each in {FORBIDDEN!r} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


async def test_it_answers_over_relay_and_fallback_and_ends_when_told(site: ProcessSite) -> None:
    site.enrolled()
    await site.start()
    await site.met()
    answer = await site.ask("host")
    assert answer is not None
    assert answer.ok is not None
    assert answer.data["name"]
    assert await site.domain() == "corp.contoso.com"
    began = time.monotonic()
    assert await site.end() == 0
    assert time.monotonic() - began < 6
    assert [each["event"] for each in site.lines if each.get("op") == "host"] == ["command", "answer"]
    assert [each["event"] for each in site.lines if each["event"] in ("begins", "ends")] == ["begins", "ends"]
    assert b"Traceback" not in site.said, site.said.decode()


async def test_when_the_relay_dies_the_fallback_goes_on_and_the_relay_comes_back(site: ProcessSite) -> None:
    site.enrolled()
    await site.start()
    await site.met()
    await site.broker.go_down()
    answer = await site.ask("host")
    assert answer is not None
    assert answer.ok is not None
    await site.broker.come_up()
    await site.met(within=30)


async def test_killed_between_command_and_result_it_is_asked_again_after_its_restart(site: ProcessSite) -> None:
    site.enrolled()
    await site.start(slow=True)
    await site.met()
    asked = asyncio.create_task(site.ask("tcp"))
    await until((site.folder / "began").exists)
    await site.end(signal.SIGKILL)
    lost = await asked
    assert lost is None or lost.ok is None
    before = {each["id"] for each in site.lines if each.get("op") == "tcp"}
    assert before
    assert not [each for each in site.lines if each["event"] == "answer" and each["op"] == "tcp"]
    (site.folder / "go").touch()
    await site.start(slow=True)
    answer = await site.answered("tcp")
    assert answer.data == [{"host": "slow"}]
    assert {each["id"] for each in site.lines if each["event"] == "answer" and each["op"] == "tcp"} - before


async def test_a_thread_that_hangs_does_not_hold_up_the_end(site: ProcessSite) -> None:
    site.enrolled()
    await site.start(slow=True)
    await site.met()
    asked = asyncio.create_task(site.ask("tls"))
    await until((site.folder / "began").exists)
    began = time.monotonic()
    assert await site.end() == 0
    assert time.monotonic() - began < 11
    await asked


async def test_the_local_file_wins_over_the_bot(site: ProcessSite) -> None:
    site.enrolled('deny = ["host"]\n')
    await site.start()
    await site.met()
    answer = await site.ask("host")
    assert answer is None or answer.ok is None
    assert [each for each in site.lines if each.get("op") == "host"] == []
    allowed = await site.ask("proxy")
    assert allowed is not None
    assert allowed.ok is not None


async def test_a_second_program_with_the_same_identity_does_not_start(site: ProcessSite) -> None:
    site.enrolled()
    await site.start()
    await site.met()
    first = site.process
    await site.start()
    assert site.process is not None
    async with asyncio.timeout(10):
        assert await site.process.wait() == 2
    assert b"running already" in site.said
    site.process = first
