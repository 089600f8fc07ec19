"""The chat page in a real browser: type, see the card, see it change, press, be somebody else, hold a phone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.cards.elements import card, fold, line
from infra.local import chatpage
from infra.local.chats import Content
from infra.local.demo import Demo, running_demo
from infra.local.personas import BOT, CHANNEL
from infra.local.picture import DESK, PHONE, answered, browsing, chromium, opened
from skills.views.words import STATE_WORDS

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium: install it, or run .ci/run, which does"),
]
needs_renderer = pytest.mark.skipif(not chatpage.RENDERER.is_file(), reason="no card renderer: run make setup")

VERDICT = re.compile("|".join(re.escape(word.upper()) for word in STATE_WORDS.values()))
CARD = ".message.bot .card"
SLOW = 20_000
AA = 4.5
"""The contrast that WCAG asks of text."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as launched:
        yield launched


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Demo]:
    async with running_demo(latency=0.1) as begun:
        yield begun


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, running: Demo) -> AsyncIterator[Page]:
    async with opened(browser, running.url) as shown:
        wrong: list[str] = []
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("console", lambda line: wrong.append(line.text) if line.type in ("error", "warning") else None)
        await expect(shown.locator(".message.bot")).to_have_count(1)
        yield shown
        assert wrong == []


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


@needs_renderer
async def test_one_types_and_sees_the_card_become_the_verdict(page: Page) -> None:
    await page.evaluate(WATCH)
    await say(page, "why isn't jdoe syncing")
    shown = page.locator(CARD)
    await expect(shown).to_contain_text(VERDICT, timeout=SLOW)
    seen = await page.evaluate("seen")
    assert seen[0] == "LOOKING"
    assert VERDICT.fullmatch(seen[-1])
    await expect(shown).to_have_count(1)
    await expect(page.locator(".message.bot").last).to_contain_text("Edited")
    await expect(page.locator("#announce")).to_contain_text("WhySync changed a message")


WATCH = """() => {
  window.seen = [];
  const look = () => document.querySelectorAll('.card').forEach((card) => seen.push(card.innerText.split('\\n')[0]));
  new MutationObserver(look).observe(document.getElementById('log'), { childList: true, subtree: true });
}"""


@needs_renderer
async def test_a_pressed_button_changes_the_card_in_its_place(page: Page) -> None:
    await answered(page, "why isn't jdoe syncing")
    shown = page.locator(CARD)
    before = await shown.inner_text()
    await page.get_by_role("button", name="Check again").click()
    await expect(shown).not_to_have_text(before, timeout=SLOW, use_inner_text=True)
    await expect(shown).to_contain_text(VERDICT)
    await expect(shown).to_have_count(1)


@needs_renderer
async def test_what_is_folded_away_unfolds_by_mouse_and_by_keyboard(running: Demo, page: Page) -> None:
    body = fold("proof", "Evidence", [line("The records.")])
    running.chat.chats.post(CHANNEL, BOT, Content(card=card(body, "x"), summary="x"))
    records = page.get_by_text("The records.")
    await expect(records).to_be_hidden()
    await page.get_by_text("Evidence").click()
    await expect(records).to_be_visible()
    await page.get_by_role("button", name="Evidence").press("Enter")
    await expect(records).to_be_hidden()


async def test_a_suggestion_asks_and_a_thread_is_answered_in(page: Page) -> None:
    await page.get_by_role("button", name="why isn't jdoe syncing").click()
    await expect(page.locator(".thread")).to_have_count(2)
    thread = page.locator(".thread").last
    await thread.get_by_role("button", name="Reply").click()
    await say(page, "check him again")
    await expect(thread.locator(".message")).to_have_count(4, timeout=SLOW)
    await expect(page.locator(".thread")).to_have_count(2)


async def test_another_persona_sees_the_channel_and_not_the_others_chat(page: Page) -> None:
    await page.get_by_label("Chat with WhySync").check()
    await say(page, "help")
    await expect(page.locator(".message.own")).to_have_count(1)
    await page.get_by_label("Heidi Helpdesk").check()
    await expect(page.get_by_label("Heidi Helpdesk")).to_be_checked()
    await expect(page.locator(".message.bot")).to_have_count(1)
    await expect(page.locator(".message.own")).to_have_count(0)


async def test_an_answer_in_private_is_counted_on_the_other_tab(page: Page) -> None:
    await page.get_by_label("Jane Doe").check()
    await page.get_by_role("button", name="is my account in sync").click()
    chat = page.locator("#places label", has_text="Chat with WhySync")
    await expect(chat.locator(".unread")).to_contain_text("1", timeout=SLOW)
    await chat.click()
    await expect(page.locator(".message.bot")).to_have_count(2)
    await expect(chat.locator(".unread")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_cut_off_on_a_phone(browser: Browser, scheme: Any) -> None:
    """The story with the longest names: hosts that nothing may break but the width."""
    async with (
        running_demo(story="servicebus-blocked", latency=0) as running,
        opened(browser, running.url, PHONE, scheme=scheme) as phone,
    ):
        await say(phone, "why isn't jdoe syncing")
        await expect(phone.locator(".message.bot").last).to_contain_text(
            re.compile(VERDICT.pattern, re.I), timeout=SLOW
        )
        assert await phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await phone.evaluate(BEYOND) == []


BEYOND = """[...document.querySelectorAll('main *, header *, .field *')]
  .filter((each) => each.checkVisibility() && !each.closest('.unseen, .choice input'))
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
  .map((each) => each.outerHTML.slice(0, 120))"""


@needs_renderer
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_of_the_card_can_be_read_against_its_background(
    browser: Browser, running: Demo, scheme: Any
) -> None:
    async with opened(browser, running.url, DESK, scheme=scheme) as shown:
        await answered(shown, "why isn't jdoe syncing")
        contrasts = await shown.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert [each for each in contrasts if each["ratio"] < AA] == []


CONTRASTS = """() => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3)
    .map((part) => part / 255).map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return /, 0\\)|transparent/.test(colour) && element.parentElement ? behind(element.parentElement) : colour;
  };
  const texts = [...document.querySelectorAll('.card span, .card button, .head *')]
    .filter((each) => each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType === 3));
  return texts.map((each) => {
    const [one, two] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a);
    return { text: each.textContent.slice(0, 40), ratio: (one + 0.05) / (two + 0.05) };
  });
}"""


@needs_renderer
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_is_typed_into_a_card_wears_the_colours_of_the_page(
    browser: Browser, running: Demo, scheme: Any
) -> None:
    fields: list[dict[str, Any]] = [
        {"type": "Input.Text", "id": "why", "value": "one"},
        {"type": "Input.Text", "id": "more", "isMultiline": True, "value": "several"},
    ]
    async with opened(browser, running.url, DESK, scheme=scheme) as shown:
        running.chat.chats.post(CHANNEL, BOT, Content(card=card(fields, "x"), summary="x"))
        await expect(shown.locator(".card .ac-textInput")).to_have_count(2)
        drawn = await shown.evaluate(FIELDS)
    assert [each["background"] for each in drawn] == [drawn[0]["page"]] * 2
    assert [each["colour"] for each in drawn] == [drawn[0]["text"]] * 2


FIELDS = """() => [...document.querySelectorAll('.card .ac-textInput')].map((each) => ({
  background: getComputedStyle(each).backgroundColor, page: getComputedStyle(document.documentElement).backgroundColor,
  colour: getComputedStyle(each).color, text: getComputedStyle(document.documentElement).color,
}))"""


HOSTILE = "**bold** <img src=x onerror=alert(1)> [link](javascript:alert(1)) & 'quotes'"


@needs_renderer
async def test_text_from_outside_is_never_html_and_only_bold_is_markdown(running: Demo, page: Page) -> None:
    body = [
        {"type": "TextBlock", "text": HOSTILE, "wrap": True},
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": HOSTILE}]},
    ]
    running.chat.chats.post(CHANNEL, BOT, Content(card=card(body, "x"), summary="x"))
    shown = page.locator(CARD).last
    await expect(shown).to_contain_text("<img src=x onerror=alert(1)> [link](javascript:alert(1)) & 'quotes'")
    await expect(shown.locator(".ac-richTextBlock")).to_have_text(HOSTILE)
    await expect(shown.locator("strong")).to_have_text("bold")
    await expect(shown.locator("img, a[href], script")).to_have_count(0)


async def test_what_people_are_called_or_say_is_never_html(running: Demo, page: Page) -> None:
    await say(page, HOSTILE)
    await expect(page.locator(".message", has_text="onerror").locator(".text").first).to_contain_text(HOSTILE)
    await expect(page.locator("main img")).to_have_count(0)


async def test_without_the_renderer_the_page_says_so_and_shows_the_text_twin(
    browser: Browser, running: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(chatpage.FILES, "/page/adaptivecards.js", tmp_path / "missing.js")
    async with opened(browser, running.url) as bare:
        await expect(bare.get_by_role("alert")).to_contain_text("make setup")
        await say(bare, "why isn't jdoe syncing")
        await expect(bare.locator(".message.bot .text").last).to_contain_text(
            re.compile(VERDICT.pattern, re.I), timeout=SLOW
        )
