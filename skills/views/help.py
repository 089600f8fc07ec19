"""The help card: what can be asked, in the words to ask it with."""

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Tone, card, heading, line, run, title
from skills.facts.subject import Subject
from skills.verdict import State
from skills.views.verdict import bare_verdict

EXAMPLES = (
    ("Somebody is missing or wrong", ("why isn't jdoe syncing", "is jane.doe@contoso.com synced", "logs for jdoe")),
    ("Nobody syncs", ("is the sync running", "are the agents ok", "who failed today", "did anyone change the scope")),
    ("A code or an event", ("what does AttributeValueMustBeUnique mean", "event 7041")),
    ("Yourself", ("is my account in sync",)),
)
HEADLINE = "Ask me why somebody does not sync."
NAMES = (
    "I know people by user principal name, account name, mail, objectGUID, distinguished name, employee id or mention."
)


def help_answer(case: Case[Subject]) -> Answer:
    body = [title(HEADLINE, state="Help", tone=Tone.ACCENT)]
    for when, examples in EXAMPLES:
        body += [heading(when), *(line(run("• "), run(example)) for example in examples)]
    body.append(line(run(NAMES, subtle=True), spacing="Medium"))
    verdict = bare_verdict(case, State.FINE, HEADLINE)
    return Answer(
        card(body, HEADLINE), verdict.as_json(), offers=(Offer("Is the sync running?", "is the sync running"),)
    )
