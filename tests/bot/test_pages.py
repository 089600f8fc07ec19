"""The pages that the Teams app names: there, safe to open, and true of what the program keeps."""

import ast
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot import breadth, offers, pages, repeats, stored_threads, tried
from bot.approval_shelf import NS as REQUESTS
from bot.manifest import package_of
from bot.relay import letters
from bot.settings import RefusedSettings, Settings, from_environment

ROOT = Path(__file__).parents[2]
PATHS = [page.path for page in pages.PAGES]
KEPT = {
    "convrefs": "where it may answer",
    "dedupe": "the ids of messages that came",
    "offers": "what the buttons under an answer ask",
    "threads": "what a thread was last about, for a day",
    "tried": "what the service answered when one person was synced at once, for a day",
    "breadth": "when you asked and, as hashes, about whom",
    "letters": "what servers answered, on its way from one of its instances to another",
    "probes": "servers that were enrolled, and by whom",
    REQUESTS: "each request for a change is kept",
    "actcards": "each request for a change is kept",
    "audit": "an audit that cannot be altered unnoticed",
    "switch": "who stopped all changes",
    "owners": "",
    "probe-sessions": "",
    "health": "",
}
"""Every namespace of the store, and what the privacy page says of it; nothing where it holds nothing of people."""


def settings_of(**given: str) -> Settings:
    return from_environment({f"WHYSYNC_{name}": value for name, value in given.items()})


@asynccontextmanager
async def served(**given: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    app = web.Application()
    pages.install(app, settings_of(**given))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as session:
            yield session, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.partition("</head>")[2])).split())


PRIVACY = text_of(pages.written(pages.PRIVACY, Settings())).lower()


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_there_for_everybody_and_can_do_nothing(path: str) -> None:
    async with served() as (session, url), session.get(url + path) as answer:
        text = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script|<img|<form|<iframe|<link|src=|style=| on\w+=", text)


async def test_its_style_is_the_one_that_the_policy_allows() -> None:
    async with served() as (session, url), session.get(url + "/privacy") as answer:
        style = re.search(r"<style>(.*?)</style>", await answer.text(), re.DOTALL)
        policy = answer.headers["Content-Security-Policy"]
    assert style
    assert f"style-src '{_sha256(style[1])}'" in policy


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


async def test_every_address_in_the_app_package_leads_to_a_page() -> None:
    settings = settings_of(APP_ID="7c1d9a52-0f3e-4b6a-9d27-5e8f10c2ab34", PUBLIC_URL="https://bot.contoso.com")
    developer = package_of(settings, "1.0.0").manifest["developer"]
    named = [url.removeprefix("https://bot.contoso.com") for key, url in developer.items() if key.endswith("Url")]
    assert sorted(named) == sorted(PATHS)


async def test_the_pages_lead_to_each_other_and_to_whoever_helps() -> None:
    async with served(SUPPORT_URL='https://help.contoso.com/?a=1&b="2"') as (session, url):
        for path in PATHS:
            async with session.get(url + path) as answer:
                links = [unescape(link) for link in re.findall(r'href="([^"]*)"', await answer.text())]
            assert sorted(links) == sorted(
                ['https://help.contoso.com/?a=1&b="2"', *(other.lstrip("/") for other in PATHS if other != path)]
            )


def test_whoever_runs_it_is_named_and_stays_text() -> None:
    odd = '<b>"A" & {who}</b>'
    html = pages.written(pages.PRIVACY, settings_of(ORGANIZATION=odd))
    assert odd in text_of(html.replace("&lt;", "‹").replace("&gt;", "›")).replace("‹", "<").replace("›", ">")
    assert "<b>" not in html
    assert "&amp;lt;" not in html


def test_without_a_name_the_page_still_says_who_answers_for_it() -> None:
    for page in pages.PAGES:
        text = text_of(pages.written(page, Settings()))
        assert "run by the organization that installed it" in text
        assert "{" not in text


def test_a_support_address_that_is_not_https_is_refused() -> None:
    with pytest.raises(RefusedSettings) as refused:
        settings_of(SUPPORT_URL="javascript:alert(1)")
    assert refused.value.lines == ["WHYSYNC_SUPPORT_URL: must be https"]


def test_the_privacy_page_tells_of_everything_that_is_kept() -> None:
    new, gone = sorted({*namespaces()} - KEPT.keys()), sorted(KEPT.keys() - {*namespaces()})
    assert (new, gone) == ([], []), (
        "a new place to keep things: say on the privacy page what it holds, and for how long"
    )
    assert [name for name, says in KEPT.items() if says not in PRIVACY] == []


def namespaces() -> Iterator[str]:
    """Of every call that reads or writes the store, the first argument: a text, or a constant of its file."""
    for path in (ROOT / "bot").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "store." not in text:
            continue
        tree = ast.parse(text)
        known = constants(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            if node.func.attr in {"put", "get", "scan"} and ast.unparse(node.func.value).endswith("store"):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)
                elif isinstance(first, ast.Name) and first.id.isupper():
                    yield known[first.id]


def constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a file gives names to, one by one or several in a row."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                    found[name.id] = str(value.value)
    return found


def test_the_privacy_page_tells_how_long_it_is_kept() -> None:
    assert offers.LIFE == 24 * 3600.0, "“counts for a day”"
    assert max(offers.SWEPT_DAYS) < 14, "“is deleted within days after”"
    assert repeats.DAY == 24 * 3600.0, "“for a day”"
    assert stored_threads.LIFE == 24 * 3600.0, "“for a day”"
    assert timedelta(days=1) == tried.KEPT_FOR, "“for a day”"
    assert breadth.HOUR == 3600.0, "“counts for an hour”"
    assert letters.OLD + letters.SWEEP_EVERY <= 3600.0, "“for minutes”"
    for says in ("counts for a day", "within days after", "without their text, for a day", "an hour", "for minutes"):
        assert says in PRIVACY
