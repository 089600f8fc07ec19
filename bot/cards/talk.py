"""The cards of the conversation itself: looking, a notice, what else could be asked, short answers to follow-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, run, title
from bot.cards.text import safe
from bot.evidence import Source

MOST_LINES = 5
MOST_RUNNING = 4
LONGEST = 400
MORE = "There was more in your message: ask for it in one of its own."


@dataclass(frozen=True, slots=True)
class Last:
    """As much of a thread's last verdict as follow-ups are answered from."""

    headline: str
    owner: str = ""
    means: str = ""
    fix: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Last | None":
        """Of the verdict object (contract section 5); None where there was no verdict."""
        if not document:
            return None
        settle = document.get("settle") or {}
        first: Mapping[str, Any] = next(iter(document.get("causes") or ()), {})
        fix = [*(first.get("fix") or filter(None, [settle.get("how")]))]
        return cls(
            safe(document.get("headline") or "", LONGEST),
            str(first.get("owner") or settle.get("who") or ""),
            str(first.get("title") or ""),
            tuple(safe(step, LONGEST) for step in fix[:MOST_LINES]),
            tuple(safe(each["says"], LONGEST) for each in (first.get("because") or ())[:MOST_LINES]),
        )


class ProbeSoFar(Protocol):
    """How far one probe has come with what it was asked."""

    @property
    def probe(self) -> str: ...
    @property
    def answered(self) -> int: ...
    @property
    def asked(self) -> int: ...
    @property
    def running(self) -> Sequence[str]: ...


def looking(text: str, heard: Sequence[tuple[Source, int, int]] = (), probes: Sequence[ProbeSoFar] = ()) -> Element:
    said = f"Looking: {text}" if text.strip() else "Looking…"
    body: list[Element] = [line(run("LOOKING", bold=True, tone=Tone.ACCENT)), line(run(said, most=140))]
    if heard:
        _, done, total = heard[-1]
        body.append(line(run(f"{done} of {total} sources have answered.", subtle=True)))
    body += [labelled(each.probe, _so_far(each)) for each in probes[:MOST_LINES]]
    return card(body, said[:140])


def _so_far(each: ProbeSoFar) -> str:
    told = f"{each.answered} of {each.asked} checks answered"
    more = f" and {len(each.running) - MOST_RUNNING} more" if len(each.running) > MOST_RUNNING else ""
    return f"{told}; running {', '.join(each.running[:MOST_RUNNING])}{more}" if each.running else told


def notice(word: str, sentence: str, tone: Tone = Tone.ACCENT) -> Element:
    return card([title(sentence, state=word, tone=tone)], sentence)


def not_understood(examples: Sequence[str]) -> Element:
    sentence = "I did not understand that."
    body = [title(sentence, state="Sorry", tone=Tone.WARNING), heading("You could ask"), *bullets(examples)]
    return card(body, f"{sentence} You could ask: {'; '.join(examples)}" if examples else sentence)


def about_last(topic: str | None, last: Last | None) -> Element:
    """Who can mend it, what to do, how it is known, in plain words: from the verdict that the thread already has."""
    if last is None:
        return notice("About what?", "I do not know what this is about. Ask about somebody first.")
    nobody = last.owner in ("", "nobody")
    who = "Nobody has to move." if nobody else f"{last.owner[:1].upper()}{last.owner[1:]} has to move."
    match topic:
        case "owner":
            return _short("Who must move", who, last)
        case "fix" if last.fix:
            return _short("What to do", last.fix[0], last, *bullets(last.fix, numbered=True))
        case "why" if last.proofs:
            return _short("How I know", last.proofs[0], last, *bullets(last.proofs))
        case "plain":
            means = f"{last.means} " if last.means else ""
            return _short("In plain words", f"{means}{'' if nobody else who}".strip() or last.headline, last)
        case _:
            return notice("So far", last.headline)


def _short(word: str, sentence: str, last: Last, *more: Element) -> Element:
    """What stands in the list is not said above it once again."""
    top = last.headline if more else sentence
    told = [] if more or sentence == last.headline else [labelled("About", last.headline)]
    return card([title(top, state=word, tone=Tone.ACCENT), *told, *more], f"{word}: {sentence}")


def with_more(shown: Element) -> Element:
    note = line(run(MORE, subtle=True))
    return {**shown, "body": [*shown["body"], note]}
