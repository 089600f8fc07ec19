"""Where words only may be a name, the directory decides, and nobody is taken for another."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bot.answering import Ask
from bot.clock import VirtualClock
from bot.evidence import SourceError
from bot.identifiers import Identifier, IdentifierKind
from bot.intents import Slots
from bot.reach import Reach
from bot.relay.client import NoProbes
from infra.local.replay import replay
from infra.local.world import World
from skills import meant
from skills.facts.subject import Subject

CASES = Path(__file__).parents[1] / "cases"


async def asked(case: str, question: str, role: str = "admin") -> dict[str, Any]:
    document = {**World.load(CASES / f"{case}.json").document, "as": role}
    return (await replay(World.parse(document), question)).document


async def test_the_one_word_that_somebody_bears_is_meant() -> None:
    found = await asked("cloud-busy-81", "tell me frobnicate: dioannou3 keeps failing on the quuxserver")

    assert (found["subject"]["ids"]["upn"], found["intent"]) == ("dioannou3@northwind.gr", "why_user")


async def test_two_small_words_are_a_full_name() -> None:
    found = await asked("scope-nested-group", "haruka mori stuck since monday")

    assert found["subject"]["ids"]["upn"] == "hmori@adatum.jp"


async def test_a_full_name_goes_before_an_account_called_like_a_part_of_it() -> None:
    document = World.load(CASES / "scope-nested-group.json").document
    other = {
        "id": "7f3c2b1e-90aa-4f2e-8c5d-1b2a3c4d5e61",
        "displayName": "R. Mori",
        "userPrincipalName": "mori@adatum.jp",
    }
    tenant = {**document["tenant"], "users": [*document["tenant"]["users"], other]}

    found = (await replay(World.parse({**document, "tenant": tenant}), "haruka mori stuck since monday")).document

    assert (found["subject"]["ids"]["upn"], found["subject"]["candidates"]) == ("hmori@adatum.jp", [])


async def test_when_several_of_the_words_are_somebody_it_asks_which() -> None:
    found = await asked("cloud-busy-81", "stuck since noon: kdimou plus apappa")

    assert found["state"] == "ambiguous"
    assert len(found["subject"]["candidates"]) == 2


async def test_when_none_of_the_words_is_anybody_everybody_is_meant() -> None:
    found = await asked("cloud-sync-account-missing", "nothing syncs since the frobnicator rollout")

    assert (found["subject"]["kind"], found["intent"]) == ("tenant", "mass_problem")


async def test_a_code_is_explained_where_the_name_beside_it_is_nobodys() -> None:
    found = await asked("state-healthy-tenant", "what does GatewayTimeout mean for frobnicator")

    assert found["intent"] == "explain_code"


@pytest.mark.parametrize(
    "named",
    [
        "nobody.here@northwind.gr",
        "7f3c2b1e-90aa-4f2e-8c5d-1b2a3c4d5e60",
        "CN=Nobody,DC=nw,DC=internal",
        "NW\\frobnicate9",
        "diоannou3",
    ],
)
async def test_an_exact_name_that_is_nobodys_is_never_somebody_else(named: str) -> None:
    found = await asked("cloud-busy-81", f"why isn't {named} syncing, dioannou3 says it fails")

    assert named.endswith(found["subject"]["asked"])
    assert found["subject"]["ids"].get("upn") != "dioannou3@northwind.gr"
    assert found["subject"]["candidates"] == []


async def test_a_word_named_outright_that_is_nobodys_leads_to_a_choice_not_to_a_guess() -> None:
    found = await asked("cloud-busy-81", "why isn't frobnicate9 syncing, dioannou3 asks")

    assert found["state"] == "ambiguous"
    assert [one["label"] for one in found["subject"]["candidates"]]


async def test_ones_own_account_is_the_senders_whatever_other_names_stand_there() -> None:
    found = await asked("state-fine-self", "is my account in sync? ralf says no", "self:sara.lind@nordvind.se")

    assert found["subject"]["ids"]["upn"] == "sara.lind@nordvind.se"


@pytest.mark.parametrize(
    "question", ["sara.lind stuck", "nothing syncs, e.g. sara.lind", "GatewayTimeout for sara.lind"]
)
async def test_who_may_ask_for_oneself_only_gets_nobody_by_a_free_word(question: str) -> None:
    found = await asked("state-fine-self", question, "self:sara.lind@nordvind.se")

    assert not any(found["subject"]["ids"].values())
    assert found["causes"] == []


class Unlisted(NoProbes):
    """Probes of which nobody can say just now which there are."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    async def contacts(self) -> Any:
        if self._hangs:
            await asyncio.Event().wait()
        raise SourceError("The list of probes cannot be read.")


@pytest.mark.parametrize("hangs", [False, True], ids=["refused", "no answer"])
async def test_a_question_about_a_person_does_not_fail_because_the_probes_cannot_be_listed(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = Subject("jdoe", upn="jdoe@contoso.com")

    async def resolved(*_: Any, **__: Any) -> Subject:
        return jane

    monkeypatch.setattr(meant, "SERVERS_WITHIN", 0.05)
    monkeypatch.setattr(meant, "resolve", resolved)
    clock = VirtualClock(datetime(2026, 11, 20, 9, 30, tzinfo=UTC))
    reach = Reach(cast("Any", None), Unlisted(hangs=hangs), clock)
    ask = Ask("why isn't jdoe syncing", "why_user", Slots(who=(Identifier(IdentifierKind.ACCOUNT_NAME, "jdoe"),)))
    async with asyncio.timeout(2):
        assert await meant.the_person(ask, reach) is jane
