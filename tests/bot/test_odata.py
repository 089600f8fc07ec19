"""Nothing that people type or directories hold can change what Microsoft Graph is asked."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SystemClock
from bot.graph import Graph
from bot.odata import (
    LONGEST,
    BadLiteral,
    Filter,
    Property,
    Query,
    Search,
    all_of,
    any_eq,
    any_of,
    any_starts_with,
    before,
    contains_lower,
    ends_with,
    eq,
    guid,
    is_in,
    search_for,
    segment,
    since,
    starts_with,
)

NAME = Property.DISPLAY_NAME
NOON = datetime(2026, 11, 20, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
TYPED = st.text(st.one_of(st.characters(), st.sampled_from("'\"%&#+?/\\ ()=$;,.{}\n\0")), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (eq(NAME, "O'Brien"), "displayName eq 'O''Brien'"),
        (eq(Property.USER_PRINCIPAL_NAME, "o'brien@contoso.com"), "userPrincipalName eq 'o''brien@contoso.com'"),
        (eq(Property.ON_PREMISES_SYNC_ENABLED, True), "onPremisesSyncEnabled eq true"),
        (starts_with(NAME, "J"), "startsWith(displayName,'J')"),
        (ends_with(NAME, "n"), "endsWith(displayName,'n')"),
        (
            contains_lower(Property.SOURCE_IDENTITY_DISPLAY_NAME, "JDoe"),
            "contains(tolower(sourceIdentity/displayName),'jdoe')",
        ),
        (any_eq(Property.PROXY_ADDRESSES, "smtp:j@c.com"), "proxyAddresses/any(x:x eq 'smtp:j@c.com')"),
        (any_eq(Property.TARGET_RESOURCES_ID, "7"), "targetResources/any(x:x/id eq '7')"),
        (any_starts_with(Property.PROXY_ADDRESSES, "smtp:j"), "proxyAddresses/any(x:startsWith(x,'smtp:j'))"),
        (is_in(Property.MAIL, ["a", "b'"]), "mail in ('a','b''')"),
        (since(Property.ACTIVITY_DATE_TIME, NOON), "activityDateTime ge 2026-11-20T12:00:00Z"),
        (before(Property.ACTIVITY_DATE_TIME, NOON), "activityDateTime lt 2026-11-20T12:00:00Z"),
        (all_of(eq(NAME, "a"), any_of(eq(NAME, "b"), eq(NAME, "c"))), None),
    ],
)
def test_a_filter_reads_as_graph_documents_it(made: Filter, text: str | None):
    assert made.text == (text or "(displayName eq 'a' and (displayName eq 'b' or displayName eq 'c'))")


@pytest.mark.parametrize("kind", [Filter, Search])
def test_nobody_can_make_a_filter_or_search_from_text(kind: type[Filter] | type[Search]):
    with pytest.raises(TypeError):
        kind("displayName eq 'x' or true")


@pytest.mark.parametrize("text", ["", "a\0b", "a\r\nb", "a\x1b[2J", "\ud800", "x" * (LONGEST + 1)])
def test_a_text_that_no_object_can_have_is_refused(text: str):
    for build in (
        lambda: eq(NAME, text),
        lambda: starts_with(NAME, text),
        lambda: any_eq(Property.PROXY_ADDRESSES, text),
        lambda: is_in(NAME, [text]),
        lambda: search_for(NAME, text),
        lambda: segment(text),
    ):
        with pytest.raises(BadLiteral):
            build()


@pytest.mark.parametrize(
    "typed", ["x' or startswith(userPrincipalName,'a') or 'x' eq '", "jdoe", "%27%20or%201%20eq%201", "a b@c.com", "*"]
)
def test_what_is_no_principal_name_is_not_looked_up_as_one(typed: str):
    with pytest.raises(BadLiteral):
        eq(Property.USER_PRINCIPAL_NAME, typed)


@pytest.mark.parametrize("typed", ["{4F3C1B2A-0000-4000-8000-00000000000A}", "4f3c1b2a-0000-4000-8000-00000000000a\n"])
def test_a_guid_is_printed_in_one_form_however_it_was_typed(typed: str):
    assert guid(typed) == "4f3c1b2a-0000-4000-8000-00000000000a"


@pytest.mark.parametrize("typed", ["", "4f3c1b2a", "4f3c1b2a00004000800000000000000a", "urn:uuid:" + "0" * 32, "' or"])
def test_what_is_no_guid_is_refused(typed: str):
    with pytest.raises(BadLiteral):
        guid(typed)


@pytest.mark.parametrize("text", [".", "..", "../../users", "a/b", "a\\b"])
def test_an_id_that_would_climb_in_the_path_is_refused(text: str):
    with pytest.raises(BadLiteral):
        segment(text)


@pytest.mark.parametrize("words", ['a" OR "b', "a\\"])
def test_a_search_cannot_be_closed_from_within(words: str):
    with pytest.raises(BadLiteral):
        search_for(NAME, words)


def test_options_take_names_and_not_expressions():
    for build in (
        lambda: Query(select=("id&$expand=*",)),
        lambda: Query(expand="members($filter=true)"),
        lambda: Query(top=1000),
        lambda: is_in(NAME, []),
        lambda: is_in(NAME, ["x"] * 16),
        lambda: all_of(),
        lambda: eq(Property.PROXY_ADDRESSES, "x"),
        lambda: any_eq(NAME, "x"),
        lambda: since(NAME, datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)),
    ):
        with pytest.raises((ValueError, BadLiteral)):
            build()


class Seen:
    """A server that only remembers what it was asked, byte for byte."""

    def __init__(self) -> None:
        self.path, self.query = "", ""

    async def answer(self, request: web.Request) -> web.Response:
        self.path, _, self.query = request.raw_path.partition("?")
        return web.json_response({})


@contextmanager
def graph_that_remembers(runner: asyncio.Runner) -> Iterator[tuple[Graph, Seen]]:
    seen = Seen()
    app = web.Application()
    app.router.add_get("/{rest:.*}", seen.answer)
    served = web.AppRunner(app, access_log=None)
    runner.run(served.setup())
    runner.run(web.TCPSite(served, "127.0.0.1", 0).start())
    graph = Graph(f"http://127.0.0.1:{served.addresses[0][1]}", clock=SystemClock(), token="t", keep=0)
    try:
        yield graph, seen
    finally:
        runner.run(graph.close())
        runner.run(served.cleanup())


def test_whatever_is_asked_for_arrives_as_exactly_one_literal():
    with asyncio.Runner() as runner, graph_that_remembers(runner) as (graph, seen):

        @settings(max_examples=200, deadline=None)
        @given(TYPED)
        def arrives(text: str) -> None:
            try:
                query = Query(eq(NAME, text), select=("id",))
            except BadLiteral:
                assert re.search(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]", text)
                return
            runner.run(graph.get("/users", query=query))
            options = dict(parse_qsl(seen.query, keep_blank_values=True))
            literal = re.fullmatch(r"displayName eq '((?:[^']|'')*)'", options.pop("$filter"), re.DOTALL)
            assert literal
            assert literal.group(1).replace("''", "'") == text
            assert options == {"$select": "id"}

        arrives()


def test_whatever_the_id_it_stays_one_segment_of_the_path():
    with asyncio.Runner() as runner, graph_that_remembers(runner) as (graph, seen):

        @settings(max_examples=200, deadline=None)
        @given(TYPED)
        def arrives(text: str) -> None:
            try:
                runner.run(graph.get("/users/{user}/manager", user=text))
            except BadLiteral:
                assert re.search(r"[\0-\x1f\x7f-\x9f\ud800-\udfff/\\]|^\.\.?$", text)
                return
            assert [unquote(part) for part in seen.path.split("/")] == ["", "v1.0", "users", text, "manager"]
            assert seen.query == ""

        arrives()


@pytest.mark.parametrize(
    "typed",
    [
        "o'brien@contoso.com",
        "jdoe&$expand=*",
        "%27%20or%201%20eq%201",
        "jdoe_contoso.com#EXT#@c.onmicrosoft.com",
        "a?b",
    ],
)
def test_a_hostile_id_reaches_graph_as_the_id_that_it_is(typed: str):
    with asyncio.Runner() as runner, graph_that_remembers(runner) as (graph, seen):
        runner.run(graph.get("/users/{user}", user=typed))
        assert (unquote(seen.path), seen.query) == (f"/v1.0/users/{typed}", "")
