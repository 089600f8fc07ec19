"""The dictionary card: what a code means, whose it is, what to do."""

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, run, title
from skills.catalogue import catalogue
from skills.codes import Code, explain, nearest
from skills.facts.subject import Subject
from skills.verdict import Settle, State
from skills.views.verdict import bare_verdict

LOOK_UP = Settle(
    "the code", "identity admin", "Look it up in Microsoft's documentation, or ask about the person it hit."
)


def code_answer(case: Case[Subject]) -> Answer:
    asked = list(case.ask.slots.codes) or (
        [f"event {case.ask.slots.event}"] if case.ask.slots.event else [case.ask.text]
    )
    known = [(name, explain(name)) for name in asked[:3]]
    body: list[Element] = []
    for each, code in known:
        body += _known(each, code) if code else _unknown(each)
    body += [line(run(f"and {len(asked) - 3} more codes: ask for them in a message of their own", subtle=True))] * (
        len(asked) > 3
    )
    name, told = next(((name, code) for name, code in known if code), (asked[0], None))
    headline = f"{name}: {told.means}" if told else f"{name} is not in my dictionary."
    state = State.FINE if told else State.CANNOT_TELL
    tone = Tone.ACCENT if told else Tone.WARNING
    verdict = bare_verdict(case, state, headline, None if told else LOOK_UP)
    outcome = Outcome.ANSWERED if told else Outcome.CANNOT_TELL
    shown = card([title(headline, state="Code", tone=tone), *body], headline)
    return Answer(shown, verdict.as_json(), outcome, (Offer("Who failed today?", "who failed today"),))


def _known(name: str, code: Code) -> list[Element]:
    body = [heading(name), line(code.means), labelled("Who must move", code.owner)]
    if code.cause:
        body.append(labelled("Usually", catalogue()[code.cause].title))
    return body + bullets(code.fix, numbered=True)


def _unknown(name: str) -> list[Element]:
    near = [code.code for code in nearest(name)]
    return [
        heading(name),
        line(f"The nearest I know: {', '.join(near)}." if near else "Nothing like it is known to me."),
    ]
