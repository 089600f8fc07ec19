"""Draws the verdict card as the chat page shows it, for the README: `make picture`."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from infra.local.demo import running_demo

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
PHONE, DESK, WIDE = (390, 844), (1280, 900), (820, 1500)
QUESTION = "why isn't jdoe syncing"
STORY = "servicebus-blocked"
PICTURE = Path("docs/verdict.png")
Scheme = Literal["light", "dark"]
VERDICT = "article.bot .card"


class NoChromium(Exception):  # noqa: N818  # reads as what it says
    pass


def chromium() -> str | None:
    """Where a browser is: the one that is named, or the first that is installed."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        raise NoChromium("There is no Chromium on this machine.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, url: str, size: tuple[int, int] = DESK, *, scheme: Scheme = "light", scale: float = 1.0
) -> AsyncIterator[Page]:
    view: ViewportSize = {"width": size[0], "height": size[1]}
    page = await browser.new_page(viewport=view, color_scheme=scheme, device_scale_factor=scale, locale="en-GB")
    try:
        await page.goto(url)
        yield page
    finally:
        await page.context.close()


async def answered(page: Page, question: str) -> None:
    """Asks, and waits until the first card has become the verdict."""
    await page.get_by_label("Message", exact=True).fill(question)
    await page.keyboard.press("Enter")
    await page.locator(VERDICT, has_text="Check again").last.wait_for(timeout=20_000)


async def draw(target: Path, story: str, question: str, scheme: Scheme = "light") -> None:
    async with (
        running_demo(story=story) as demo,
        browsing() as browser,
        opened(browser, demo.url, WIDE, scheme=scheme, scale=2) as page,
    ):
        await answered(page, question)
        target.parent.mkdir(parents=True, exist_ok=True)
        await page.locator(VERDICT).last.screenshot(path=target)


def main() -> int:
    try:
        asyncio.run(draw(PICTURE, STORY, QUESTION))
    except NoChromium as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{PICTURE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
