"""Cards: text from outside stays text, every card stays small, and the plain twin loses nothing."""

import json
import random
import re
import string
from datetime import UTC, datetime

import pytest

from bot.cards import talk
from bot.cards.elements import (
    Tone,
    bullets,
    card,
    clock,
    execute,
    fold,
    heading,
    labelled,
    line,
    moment,
    open_url,
    run,
    table,
    title,
    with_buttons,
)
from bot.cards.fitting import MOST, size
from bot.cards.plain import WIDTH, plain
from bot.cards.text import safe, spoken
from bot.evidence import Source
from tests.card_schema.elements_1_5 import problems
from tests.card_schema.hostile import EVERYTHING, HOSTILE, LEAKS, LONG, SECRETS
from tests.card_schema.promises import broken_promises, of_kind, strings, visible

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def full_card(text: str, lines: int = 3) -> dict[str, object]:
    """Every element there is, each with a text from outside."""
    body = [
        title(text, state="Blocked", tone=Tone.ATTENTION),
        labelled("Who must move", text),
        clock("Next cycle", AT),
        heading("How we know"),
        *bullets([text] * lines),
        table(("A", "B", "C", "D"), [[text] * 4] * lines, [1, 2, 1, 2]),
        *fold("evidence", "Evidence", [line(run(text, most=300)) for _ in range(lines)]),
        line(run(text, subtle=True), size="Small"),
    ]
    return card(body, f"Blocked: {text}", [open_url("Open the portal", "https://entra.microsoft.com/#view/x")])


# Text.


@hostile
def test_text_from_outside_breaks_no_promise_of_a_card(text: str) -> None:
    made = with_buttons(full_card(text), [execute(text, "ask", "a" * 24)])

    assert broken_promises(made) == []


@hostile
def test_text_from_outside_is_one_short_line(text: str) -> None:
    assert len(safe(text)) <= 200
    assert len(safe(text).splitlines()) <= 1


def test_characters_that_reorder_or_hide_are_spelled_out() -> None:
    assert safe("\u202eeodj\u202c") == "[U+202E]eodj[U+202C]"
    assert safe("ja\u200bne\x00") == "ja[U+200B]ne[U+0000]"
    assert safe("half \ud800") == "half [U+D800]"


def test_ordinary_names_are_left_as_they_are() -> None:
    for name in ("Seán O'Brien", "Łukasz Żak", "王小明", "Müller, Jürgen (IT) <jm@contoso.com>", "R&D_team-1*"):
        assert safe(name) == name


def test_stacked_marks_are_cut_to_a_few() -> None:
    assert safe("e" + "\u0301" * 500 + "nd") == "e" + "\u0301" * 3 + "nd"


def test_a_text_that_is_cut_says_so() -> None:
    assert safe(LONG).endswith("…")
    assert len(safe(LONG, 50)) == 50


@pytest.mark.parametrize(
    "text",
    [
        SECRETS,
        "client_secret=abcDEF123~x",
        "sig=Zm9vYmFy1234",
        "SharedAccessKey=abc123def456=",
        "password: Winter2026!",
    ],
)
def test_tokens_and_passwords_in_an_error_text_are_not_shown(text: str) -> None:
    shown = safe(text)

    assert "hidden]" in shown
    assert not any(leak in shown for leak in (*LEAKS, "abcDEF", "Zm9v", "abc123", "Winter"))


def test_words_about_passwords_are_no_passwords() -> None:
    for text in ("Password hash sync is on", "the password has expired", "Password: must be changed"):
        assert safe(text) == text


def test_what_is_read_aloud_holds_no_markup_and_the_same_words() -> None:
    assert spoken("see [this](https://evil.example) <b>`x`</b>") == "see (this)(https: //evil.example) ‹b›'x'‹/b›"


# Elements.


def test_a_button_opens_only_addresses_of_our_own_list() -> None:
    for address in (
        "https://evil.example/",
        "http://entra.microsoft.com/",
        "https://entra.microsoft.com@evil.example/",
        "https://entra.microsoft.com.evil.example/",
        "https://entra.microsoft.com:8443/",
        "javascript:alert(1)",
    ):
        with pytest.raises(ValueError, match="not an address"):
            open_url("Open", address)


def test_a_button_carries_a_verb_and_an_opaque_id_and_nothing_else() -> None:
    made = with_buttons(card([line("x")], "x"), [execute("Check again", "ask", "Zx" * 12)])
    button = made["actions"][0]

    assert button["data"] == {"verb": "ask", "action_id": "Zx" * 12}
    assert button["fallback"] == {"type": "Action.Submit", "title": "Check again", "data": button["data"]}


def test_no_card_has_more_buttons_than_teams_shows() -> None:
    made = with_buttons(full_card("x"), [execute(str(n), "ask", "a" * 24) for n in range(9)])

    assert len(made["actions"]) == 6


def test_a_clock_tells_the_readers_time_and_utc() -> None:
    assert clock("Next cycle", AT)["text"] == (
        "**Next cycle:** {{DATE(2026-11-20T09:30:00Z,SHORT)}} {{TIME(2026-11-20T09:30:00Z)}} (20 Nov 2026 09:30 UTC)"
    )


def test_graphs_way_of_saying_never_is_read_as_never() -> None:
    assert moment(datetime(1, 1, 1, tzinfo=UTC)) == "never"
    assert moment(None) == "never"


def test_what_is_hidden_is_folded_under_a_line_that_names_it() -> None:
    made = card(fold("more", "Evidence", [line("proof")]), "x")

    assert of_kind(made, "Action.ToggleVisibility")[0]["targetElements"] == ["more"]
    assert visible(made) == ["▸ Evidence"]
    assert fold("more", "Evidence", []) == []


# Size.


@pytest.mark.parametrize("lines", [3, 40, 300])
def test_a_card_stays_small_however_much_there_is_to_say(lines: int) -> None:
    made = full_card(EVERYTHING, lines)

    assert size(made) <= MOST
    assert problems(made) == []


def test_what_is_left_out_is_counted() -> None:
    made = card(
        [line("top"), *fold("evidence", "Evidence", [line(f"row {n:04} " + "x" * 90) for n in range(1_000)])], "x"
    )
    shown = of_kind(made, "Container")[1]["items"]
    note = shown[-1]["inlines"][0]["text"]

    assert re.fullmatch(r"\d+ more lines are left out here to keep the card small\.", note)
    assert int(note.split()[0]) + len(shown) - 1 == 1_000


def test_what_is_seen_first_and_last_survives_when_the_rest_does_not() -> None:
    made = card([line("first"), *(line("x" * 600) for _ in range(500)), line("last but one"), line("last")], "x")

    assert visible(made)[0] == "first"
    assert visible(made)[-2:] == ["last but one", "last"]
    assert "left out" in visible(made)[-3]


def test_folded_proof_is_given_up_before_anything_that_is_seen() -> None:
    seen = [line(f"seen {n}") for n in range(12)]
    made = card([*seen, *fold("evidence", "Evidence", [line("y" * 600) for _ in range(200)]), line("foot")], "x")

    assert [text for text in visible(made) if text.startswith("seen")] == [f"seen {n}" for n in range(12)]


def test_a_table_too_long_keeps_its_head_and_tells_how_many_rows_are_missing() -> None:
    made = card([line("top"), table(("A", "B"), [("x" * 100, "y" * 100)] * 500)], "x")
    rows = of_kind(made, "Table")[0]["rows"]
    texts = [list(strings(row))[-1] for row in rows]

    assert "A" in list(strings(rows[0]))
    assert any(re.fullmatch(r"and \d+ more", text) for text in strings(rows[-1])), texts[-1]
    assert problems(made) == []


def test_buttons_added_later_do_not_make_a_card_too_big() -> None:
    buttons = [execute("\U0001f600" * 60, "ask", "a" * 24) for _ in range(6)]

    assert size(with_buttons(full_card(EVERYTHING, 100), buttons)) <= MOST


# The plain twin.


def words(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_the_plain_twin_loses_no_text() -> None:
    rng = random.Random(7)
    texts = [
        "".join(rng.choices(string.ascii_letters + "    ,=", k=rng.randint(1, 300))).strip() or "x" for _ in range(40)
    ]
    made = card(
        [
            title(texts[0], state="Blocked", tone=Tone.GOOD),
            *(line(run(text, most=400)) for text in texts),
            *fold("f", "More", [line(run(text, most=400)) for text in texts]),
        ],
        "x",
    )
    twin = words(plain(made))

    assert all(words(part["text"]) in twin for part in of_kind(made, "TextRun"))


@hostile
def test_the_plain_twin_is_never_wider_than_a_terminal(text: str) -> None:
    assert max(len(each) for each in plain(full_card(text)).splitlines()) <= WIDTH


def test_the_plain_twin_of_a_table_keeps_its_columns_and_every_word() -> None:
    cells = [("srv-sync01.corp.contoso.com", "quarantine " * 9, "CN=" + "x" * 90, "9")]
    text = plain(card([table(("Server", "State", "Name", "N"), cells)], "x"))

    assert max(len(each) for each in text.splitlines()) <= WIDTH
    assert text.count("quarantine") == 9
    assert text.count("x") == 90


def test_the_plain_twin_indents_what_is_folded_and_names_the_page_of_a_link() -> None:
    made = card(
        fold("f", "Evidence", [line("proof")]),
        "x",
        [open_url("Open the portal", "https://entra.microsoft.com/#view/y")],
    )

    assert plain(made) == "▸ Evidence\n  proof\n\nOpen the portal: https://entra.microsoft.com/#view/y\n"


def test_the_plain_twin_tells_a_clock_in_utc_alone() -> None:
    assert plain(card([clock("Next cycle", AT)], "x")) == "Next cycle: 20 Nov 2026 09:30 UTC\n"


# The cards of the conversation itself.


@hostile
def test_the_first_card_shows_what_was_asked_and_nothing_else(text: str) -> None:
    heard = [(Source("graph:users", True, AT, 12), 3, 60)]

    assert broken_promises(talk.looking(text)) == []
    assert "3 of 60 sources" in plain(talk.looking(text, heard))


LAST = talk.Last(
    "The firewall stops SRV-A.",
    "network admin",
    "A firewall stops the agent.",
    ("Open 443.", "Restart the service."),
    ("443 times out", "the relay is silent"),
)


@pytest.mark.parametrize(
    ("topic", "word", "told"),
    [
        ("owner", "WHO MUST MOVE", "Network admin has to move."),
        ("fix", "WHAT TO DO", "2. Restart the service."),
        ("why", "HOW I KNOW", "443 times out"),
        ("plain", "IN PLAIN WORDS", "A firewall stops the agent. Network admin has to move."),
        (None, "SO FAR", "The firewall stops SRV-A."),
    ],
)
def test_a_question_about_the_last_verdict_is_answered_from_it(topic: str | None, word: str, told: str) -> None:
    shown = talk.about_last(topic, LAST)

    assert visible(shown)[0] == word
    assert told in plain(shown)
    assert "The firewall stops SRV-A." in plain(shown)
    assert broken_promises(shown) == []


def test_without_a_verdict_a_follow_up_asks_what_it_is_about() -> None:
    assert visible(talk.about_last("why", None))[0] == "ABOUT WHAT?"


def test_what_is_kept_of_a_verdict_is_small_and_enough() -> None:
    settle = {"check": "tcp", "who": "AD admin", "how": "Run the check."}
    kept = talk.Last.of({"headline": "It cannot be told.", "causes": [], "settle": settle})

    assert kept == talk.Last("It cannot be told.", "AD admin", "", ("Run the check.",))
    assert talk.Last.of({}) is None


def test_every_notice_reads_the_same_without_a_card() -> None:
    shown = talk.not_understood(["is the sync running", "help"])

    assert broken_promises(shown) == []
    assert json.dumps(shown["speak"]) == json.dumps(
        "I did not understand that. You could ask: is the sync running; help"
    )
