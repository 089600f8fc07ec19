"""What people write, read as they meant it."""

import re
import time
from typing import Any

import pytest
from connector_service import ALICE, APP, BOB, TENANT, activity
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.activity_text import words
from bot.place import place_of

BOT = f"28:{APP}"
RECHECK = {"action": {"verb": "recheck", "data": {}}}
CARD = {"type": "AdaptiveCard", "fallbackText": "in words"}


def mention(shown: str, account: str, name: str | None = None, object_id: str | None = None) -> dict[str, Any]:
    who = {"id": account, "name": name or shown, "aadObjectId": object_id}
    return {"type": "mention", "text": f"<at>{shown}</at>", "mentioned": who}


@pytest.mark.parametrize(
    ("raw", "entities", "text"),
    [
        ("", [], ""),
        (" \u00a0\n\t ", [], ""),
        ("<at>WhySync</at>", [mention("WhySync", BOT)], ""),
        ("<at>WhySync</at> &nbsp;help", [mention("WhySync", BOT)], "help"),
        ("<at>WhySync</at> help", [], "<at>WhySync</at> help"),
        ("&lt;at&gt;Security Admin&lt;/at&gt; approve", [], "<at>Security Admin</at> approve"),
        ("help", [{"type": "mention", "text": "help", "mentioned": {"id": BOT}}], "help"),
        ("help", [{"type": "mention", "text": "", "mentioned": {"id": BOT}}], "help"),
        ("a\x00b\x07c\x1b[31m", [], "a b c [31m"),
        ("why isn't o'brien@contoso.com syncing", [], "why isn't o'brien@contoso.com syncing"),
        ("jdoe&$expand=*", [], "jdoe&$expand=*"),
        ("jdoe&ampx &amp;lt; &#x41;", [], "jdoe&ampx &lt; &#x41;"),
        ("%27%20or%201%20eq%201", [], "%27%20or%201%20eq%201"),
        ("<img src=x onerror=alert(1)>", [], "<img src=x onerror=alert(1)>"),
        ("[jdoe](https://evil.example)", [], "[jdoe](https://evil.example)"),
        ("<p>one</p><p>two<br>three</p>", [], "one\ntwo\nthree"),
        ("why isn't <code>CN=Jane,OU=x</code> syncing", [], "why isn't CN=Jane,OU=x syncing"),
    ],
)
def test_the_text_is_what_was_typed_less_the_bots_mention(raw: str, entities: list[Any], text: str) -> None:
    assert words(raw, entities, BOT).text == text


@pytest.mark.parametrize(
    ("raw", "text", "quoted"),
    [
        ("<blockquote>approve 123</blockquote>what is this", "what is this", "approve 123"),
        ("<blockquote itemtype='x'>a<blockquote>b</blockquote>approve</blockquote> hm", "hm", "a\nb\napprove"),
        ("<blockquote>approve 123", "", "approve 123"),
        ("</blockquote>mine", "mine", ""),
        ("> approve 123\nwhat is this", "what is this", "approve 123"),
        ("&gt; approve 123\nwhat is this", "what is this", "approve 123"),
        ("see ```\napprove 123\n``` please", "see\nplease", "approve 123"),
        ("```approve 123", "", "approve 123"),
        ("<pre>approve 123</pre>look", "look", "approve 123"),
    ],
)
def test_what_is_quoted_is_never_the_senders_own_command(raw: str, text: str, quoted: str) -> None:
    heard = words(raw, [], BOT)
    assert (heard.text, heard.quoted) == (text, quoted)


def test_a_mention_whose_name_is_not_what_readers_see_is_nobody_certain() -> None:
    entities = [mention("Jane Doe", "29:bob", "Bob Roe", BOB), mention("Al", "29:alice", "Alice Al", ALICE)]
    heard = words("is <at>Jane Doe</at> or <at>Al</at> syncing", entities, BOT)
    assert heard.text == "is Jane Doe or Al syncing"
    assert [(who.object_id, who.name) for who in heard.mentions] == [(None, "Jane Doe"), (ALICE, "Al")]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>/a`blockquotepre& \n\u0301\ud7ff", max_size=300), st.text(max_size=50))
def test_any_text_gives_words_without_controls(raw: str, bot: str) -> None:
    heard = words(raw, [mention(raw[:10], bot)], bot)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", heard.text + heard.quoted)


@pytest.mark.parametrize(
    "raw", ["<blockquote>" * 100_000, "```" * 100_000, "<" * 300_000, "a" + "\u0301" * 100_000, "<br" * 90_000]
)
def test_a_monstrous_text_is_cut_and_costs_little(raw: str) -> None:
    begin = time.perf_counter()
    heard = words(raw, [], BOT)
    assert len(heard.text) + len(heard.quoted) <= 32_000
    assert time.perf_counter() - begin < 1


def test_a_place_is_told_by_tenant_and_thread() -> None:
    one = place_of(activity("https://smba.trafficmanager.net/"))
    other = place_of(activity("https://smba.trafficmanager.net/", channelData={"tenant": {"id": ALICE}}))
    assert (one.tenant_id, one.key == other.key, re.fullmatch(r"[0-9a-f]{40}", one.key) is not None) == (
        TENANT,
        False,
        True,
    )
