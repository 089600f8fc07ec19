"""Questions about servers, through the real conversation on the simulated site: whom they ask, and what is answered."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bot.evidence import SourceError
from bot.heard_probes import HeardProbes
from bot.relay.client import CheckAnswer, ProbeContact
from infra.local.graph import Fault, Faults
from infra.local.site import SimulatedProbes
from infra.local.stories import servicebus_blocked
from tests.meeting import ALEX, AT, HEIDI, meeting

TENANT = ("/servicePrincipals", "/onPremisesPublishingProfiles/provisioning/agents")


def story(change: Callable[[dict[str, Any]], None] = lambda _: None) -> Callable[[dict[str, Any]], None]:
    def become(document: dict[str, Any]) -> None:
        told = servicebus_blocked(AT)
        change(told)
        document.clear()
        document.update(told)

    return become


def silent(document: dict[str, Any], probe: int = 1) -> None:
    document["sites"][probe] |= {"relay": "silent", "fallback": "silent"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Every check that was asked, and of which probe."""
    noted: list[tuple[str, str | None]] = []
    real = SimulatedProbes.ask

    async def ask(self: SimulatedProbes, check: str, args: Mapping[str, str], *, only: str | None = None) -> Any:
        noted.append((check, only))
        assert set(args) <= {"kind", "text", "dns", "dn"}
        return await real(self, check, args, only=only)

    monkeypatch.setattr(SimulatedProbes, "ask", ask)
    return noted


SAID: dict[str, tuple[str, str]] = {
    "test the network from SRV-SYNC01": ("BLOCKED", "✗ port: timed out"),
    "test the network": ("BLOCKED", "SRV-SYNC02, seen as"),
    "can SRV-SYNC01 reach service bus": ("BLOCKED", "✗ port: timed out"),
    "check server SRV-SYNC01": ("BLOCKED", "1 of 8 hosts fail"),
    "test the directory from SRV-SYNC01": ("FINE", "Known-good object: ✓ found"),
    "is the gMSA broken": ("FINE", "may log on as a service"),
    "compare the agents": ("COMPARED", "service account"),
    "which endpoints does the agent need": ("LIST", "*.servicebus.windows.net"),
    "which endpoints does the agent need in us government": ("LIST", "*.servicebus.usgovcloudapi.net"),
    "which endpoints does the agent need in china": ("LIST", "means unknown and not blocked"),
    "firewall request for SRV-SYNC01": ("REQUEST", "SRV-SYNC01 (10.20.0.21)"),
    "firewall request for SRV-SYNC02": ("REQUEST", "SRV-SYNC02 (10.20.0.22)"),
    "proxy snippet for SRV-SYNC01": ("PROXY", "knows of no proxy"),
    "can SRV-SYNC01 reach evil.example.com": ("NOT TESTED", "evil.example.com was not tested"),
    "can SRV-SYNC01 reach login.microsoftonline.com": ("REACHED", "SRV-SYNC01: ✓ name ✓ port ✓ TLS"),
    "can SRV-SYNC01 reach servicebus.windows.net": ("NOT TESTED", "is no host but the parent of many"),
    "test the network from SRV-NONE": ("NOT FOUND", "Probes are on: SRV-SYNC01, SRV-SYNC02"),
}


async def test_what_is_asked_is_answered() -> None:
    async with meeting(story()) as room:
        replies = {text: await room.say(ALEX, text) for text in SAID}

    assert {text: reply.state for text, reply in replies.items()} == {text: word for text, (word, _) in SAID.items()}
    told = {text: reply.text.replace("\n  ", " ").replace("\u00a0", " ") for text, reply in replies.items()}
    assert [text for text, (_, part) in SAID.items() if part not in told[text]] == []


async def test_a_named_server_is_the_only_one_that_is_asked(asked: list[tuple[str, str | None]]) -> None:
    async with meeting(story()) as room:
        for name in ("SRV-SYNC01", "srv-sync01", "srv-sync01.corp.contoso.com"):
            await room.say(ALEX, f"test the network from {name}")

    assert {only for _, only in asked} == {"SRV-SYNC01"}
    assert {"dns", "tcp", "tls", "websocket", "revocation"} <= {check for check, _ in asked}


@pytest.mark.parametrize("target", ["evil.example.com", "evil.example.com:22", "10.0.0.1"])
async def test_a_name_in_chat_is_never_a_target(target: str, asked: list[tuple[str, str | None]]) -> None:
    """The arguments of every check are looked at by the fixture; a name that no probe bears is only compared."""
    async with meeting(story()) as room:
        reply = await room.say(ALEX, f"test the network from {target}")
        again = await room.say(ALEX, f"can SRV-SYNC01 reach {target}")

    assert reply.state == "NOT FOUND"
    assert not any("evil" in str(each) or "10.0.0.1" in str(each) for each in asked if each[1] in ("SRV-SYNC01", None))
    assert f"{target.partition(':')[0]}: ✓" not in again.text.replace("\u00a0", " ")


async def test_a_buttons_words_are_understood_as_what_it_stands_for() -> None:
    async with meeting(story()) as room:
        reply = await room.say(ALEX, "why isn't jdoe syncing")
        assert reply.titles == ["Check again", "Show its log", "Firewall request", "Test the network"]
        card = await room.press(ALEX, "Firewall request", reply)

    assert isinstance(card, dict)
    assert "Firewall request: let SRV-SYNC01 and SRV-SYNC02 reach" in card["speak"]


async def test_whoever_may_not_ask_about_servers_is_offered_no_such_button() -> None:
    async with meeting(story()) as room:
        reply = await room.say(HEIDI, "why isn't jdoe syncing")
        refused = await room.say(HEIDI, "test the network")

    assert "Test the network" not in reply.titles
    assert refused.state == "NOT ALLOWED"


async def test_again_in_the_thread_asks_the_same_server(asked: list[tuple[str, str | None]]) -> None:
    async with meeting(story()) as room:
        await room.say(ALEX, "test the network from SRV-SYNC01")
        asked.clear()
        await room.say(ALEX, "and now?")

    assert {only for _, only in asked} == {"SRV-SYNC01"}


async def test_the_network_is_tested_also_while_the_tenant_cannot_be_reached() -> None:
    down = Faults(scripts={path: [Fault.answer(503, times=None)] for path in TENANT})
    async with meeting(story(), faults=down) as room:
        reply = await room.say(ALEX, "test the network from SRV-SYNC01")

    assert "could not be reached" not in reply.text.splitlines()[1]
    assert "port: timed out" in reply.text


# Silence.


async def test_a_silent_probe_is_said_with_what_a_person_can_paste_there() -> None:
    async with meeting(story(silent)) as room:
        reply = await room.say(ALEX, "test the network from SRV-SYNC02")

    assert reply.state == "CANNOT TELL"
    assert "SRV-SYNC02 is silent on both ways" in reply.text
    assert "no sign of a firewall" in reply.text.replace("\n  ", " ")
    assert "whysync probe check dns tcp tls websocket" in reply.text
    assert "Resolve-DnsName his-eur1-neur1.servicebus.windows.net" in reply.text
    assert "Test-NetConnection login.microsoftonline.com -Port 443" in reply.text


async def test_a_verdict_on_a_person_says_which_probe_it_had_to_do_without() -> None:
    async with meeting(story(silent)) as room:
        reply = await room.say(ALEX, "why isn't jdoe syncing")

    assert "Commands to paste on SRV-SYNC02" in reply.text


# Progress.


class TwoProbes:
    """One answers, one raises or holds."""

    def __init__(self, *, second: Exception | None = None) -> None:
        self.second = second
        self.asked: list[tuple[str, str | None]] = []

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return tuple(ProbeContact(name, True, True, AT) for name in ("A", "B"))

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        self.asked.append((check, only))
        assert not args
        if only == "B" and self.second:
            raise self.second
        return (CheckAnswer(only or "?", check, True, AT, None, [], None),)


async def test_each_probe_is_asked_on_its_own_and_its_progress_is_counted() -> None:
    probes = HeardProbes(two := TwoProbes())
    answers = await probes.ask("tcp", {})
    await probes.ask("dns", {}, only="A")

    assert [each.probe for each in answers] == ["A", "B"]
    assert two.asked == [("tcp", "A"), ("tcp", "B"), ("dns", "A")]
    assert [(each.probe, each.answered, each.asked, each.running) for each in probes.progress] == [
        ("A", 2, 2, ()),
        ("B", 1, 1, ()),
    ]
    assert probes.events == 6


async def test_one_probe_that_cannot_be_asked_does_not_cost_the_others_answers() -> None:
    assert [each.probe for each in await HeardProbes(TwoProbes(second=SourceError("no"))).ask("tcp", {})] == ["A"]
    with pytest.raises(ZeroDivisionError):
        await HeardProbes(TwoProbes(second=ZeroDivisionError())).ask("tcp", {})


async def test_while_a_check_runs_the_card_shows_how_far_each_probe_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimulatedProbes.ask

    async def slow(self: SimulatedProbes, check: str, args: Mapping[str, str], *, only: str | None = None) -> Any:
        if check == "tcp":
            await asyncio.sleep(0.3)
        return await real(self, check, args, only=only)

    monkeypatch.setattr(SimulatedProbes, "ask", slow)
    async with meeting(story(), edit_every=0.05) as room:
        reply = await room.say(ALEX, "test the network")

    between = [str(act.card) for act in reply.acts if act.card and "LOOKING" in str(act.card)]
    assert any("11 of 12 checks answered; running tcp" in card for card in between), between[-1]
