"""The card of a split brain: two accounts, the advice, and the steps with what proves each."""

from dataclasses import dataclass

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, moment, run, title
from skills.facts.directory import CloudUser
from skills.facts.subject import Subject
from skills.verdict import State
from skills.views.parts import foot_of
from skills.views.verdict import answer_with, bare_verdict, picks, verdict_card


@dataclass(frozen=True)
class Account:
    name: str
    what: str
    user: CloudUser
    lost: tuple[str, ...]
    """What would be lost with it."""


@dataclass(frozen=True)
class Step:
    do: str
    proof: str
    """How to see that it is done; empty where the next step shows it."""


@dataclass(frozen=True)
class Guide:
    headline: str
    accounts: tuple[Account, ...]
    advice: str
    steps: tuple[Step, ...]
    acts: tuple[str, ...]
    """What of it the bot can do, in the words that ask for it."""


def guide_answer(case: Case[Subject], guide: Guide | None) -> Answer:
    if guide is None:
        return _whole(case)
    body: list[Element] = [title(guide.headline, state="Split brain", tone=Tone.ATTENTION)]
    for account in guide.accounts:
        body += _account(account)
    body.append(labelled("Advice", run(guide.advice, bold=True)))
    body.append(heading("Steps, each with its proof"))
    for count, step in enumerate(guide.steps, 1):
        body.append(line(run(f"{count}. {step.do}", most=500)))
        body += [line(run(f"   Proof: {step.proof}", subtle=True))] if step.proof else []
    offers = tuple(Offer(text[:1].upper() + text[1:], text) for text in guide.acts)
    verdict = bare_verdict(case, State.BLOCKED, guide.headline)
    return answer_with(verdict, card([*body, *foot_of(case)], guide.headline), offers)


def _account(account: Account) -> list[Element]:
    user = account.user
    gone = f", deleted on {moment(user.deleted)}" if user.deleted else ""
    return [
        heading(f"{account.name}: {account.what}"),
        line(run(f"id {user.id}, made on {moment(user.created)}, last synced {moment(user.last_sync)}{gone}")),
        line(run("Lost with it:", bold=True)),
        *bullets(account.lost),
    ]


def _whole(case: Case[Subject]) -> Answer:
    """Several people, nobody, or one with a single account: nothing is split."""
    subject = case.subject
    if subject.candidates:
        verdict = bare_verdict(case, State.AMBIGUOUS, f"{subject.asked} could be any of {len(subject.candidates)}.")
        return answer_with(verdict, verdict_card(verdict, case.ask.asker_name), picks(subject, case.ask.text))
    state = State.FINE if subject.known else State.NOT_FOUND
    found = f"No second account of {subject.label} is seen: nothing is split."
    says = found if subject.known else f"Nobody called {subject.asked} was found."
    verdict = bare_verdict(case, state, says)
    body = [title(says, state="Split brain", tone=Tone.GOOD if subject.known else Tone.WARNING), *foot_of(case)]
    return answer_with(verdict, card(body, says), (Offer("Why?", f"why isn't {subject.label} syncing"),))
