"""Somebody runs a person now, and it fails; whoever asks later why that person does not sync is told what it said."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from test_demo import Page, word

from bot.cards.plain import plain
from infra.local import demo
from infra.local.cast import someone
from infra.local.demo import running_demo
from infra.local.logrows import on_demand
from infra.local.stories import STORIES

TAKEN = "Another object with the same value for property proxyAddresses already exists."
PROOF = "AttributeValueMustBeUnique"


def address_taken(at: datetime) -> dict[str, Any]:
    """Newly made, not in the log yet, and a run now would fail."""
    world = STORIES["not-yet"](at)
    newhire = someone("Nora", "Newhire", "newhire", at)
    body = on_demand(newhire, at, "Failure", PROOF, TAKEN)
    world["tenant"]["later"] = []
    world["tenant"]["provisionOnDemand"] = [{"dn": newhire.dn, "status": 200, "body": body}]
    return world


async def test_a_run_that_failed_is_the_proof_in_a_later_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [row for row in address_taken(datetime.now(UTC))["tenant"]["provisioningLogs"] if "newhire" in str(row)]
    monkeypatch.setattr(demo, "STORIES", {"not-yet": address_taken})
    async with running_demo(story="not-yet", latency=0.0) as running, aiohttp.ClientSession() as session:
        page = Page(running.url, session, "admin", "personal")
        before = await answer(page, "why isn't newhire syncing")
        assert word(before) == "WAITING"
        assert PROOF not in plain(before["card"])
        ran = await answer(page, "provision newhire now", {"FAILED", "DONE", "NOT DONE"})
        assert word(ran) == "FAILED"
        after = await answer(page, "why isn't newhire syncing")
        assert word(after) == "BLOCKED"
        assert PROOF in plain(after["card"])
        assert "No user, group, contact or deleted account has newhire@contoso.com" in plain(after["card"])


async def answer(page: Page, text: str, until: set[str] | None = None) -> dict[str, Any]:
    asked = await page.say(text)
    return (await (page.answers(asked, until) if until else page.answers(asked)))[-1]
