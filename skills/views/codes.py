"""The dictionary card: what a code means, whose it is, what to do."""

from collections.abc import Sequence

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, run, title
from skills.catalogue import catalogue
from skills.codes import Code, explain, nearest
from skills.facts.subject import Subject
from skills.verdict import Settle, State
from skills.views.verdict import bare_verdict

Known = Sequence[tuple[str, Code | None]]
SHOWN = 3
LOOK_UP = Settle(
    "the code", "identity admin", "Look it up in Microsoft's documentation, or ask about the person it hit."
)


def code_answer(case: Case[Subject]) -> Answer:
    slots = case.ask.slots
    asked = list(slots.codes) or ([f"event {slots.event}"] if slots.event else [case.ask.text])
    known = [(name, explain(name)) for name in asked[:SHOWN]]
    told = any(code for _, code in known)
    state, settle = (State.FINE, None) if told else (State.CANNOT_TELL, LOOK_UP)
    verdict = bare_verdict(case, state, headline(known), settle)
    offers = (Offer("Who failed today?", "who failed today"),)
    shown = code_card(known, len(asked) - len(known))
    return Answer(shown, verdict.as_json(), Outcome.ANSWERED if told else Outcome.CANNOT_TELL, offers)


def headline(known: Known) -> str:
    for name, code in known:
        if code:
            return f"{name}: {code.means}"
    return f"{known[0][0]} is not in my dictionary."


def code_card(known: Known, more: int = 0) -> Element:
    """Of one code what the headline does not say yet; of several each with its own heading."""
    sentence = headline(known)
    tone = Tone.ACCENT if any(code for _, code in known) else Tone.WARNING
    body = [title(sentence, state="Code", tone=tone)]
    for name, code in known:
        if len(known) > 1:
            body += [heading(name), *([line(code.means)] if code else [])]
        body += _known(code) if code else _unknown(name)
    if more > 0:
        body.append(line(run(f"and {more} more: ask for them in a message of their own", subtle=True)))
    return card(body, sentence)


def _known(code: Code) -> list[Element]:
    body = [labelled("Who must move", code.owner)]
    if code.cause:
        body.append(labelled("Usually", catalogue()[code.cause].title))
    return [*body, heading("What to do"), *bullets(code.fix, numbered=True)] if code.fix else body


def _unknown(name: str) -> list[Element]:
    near = [code.code for code in nearest(name)]
    return [line(f"The nearest I know: {', '.join(near)}." if near else "Nothing like it is known to me.")]
