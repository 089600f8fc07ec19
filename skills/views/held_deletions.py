"""The card of held deletions: how many, where they are, who of them only moved, and the two ways out."""

from collections.abc import Iterator

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, run, title
from bot.evidence import Missing
from skills.acts.which_job import place_of_job
from skills.collectors.held_deletions import HeldDeletions, HeldList
from skills.facts.jobs import DeleteThreshold
from skills.facts.subject import Subject
from skills.next_act import LET_THROUGH, consent
from skills.verdict import Settle, State
from skills.views.acts import deletions, held_clocks
from skills.views.parts import AGAIN, foot_of, offered, typed
from skills.views.verdict import bare_verdict

SHOWN = 3
NONE = "No deletions are held: no job waits for a decision about them."
PUT_BACK = "If they are not meant: put the scope or the objects back. Then ask me: clear the quarantine"
ALLOW = "If they are meant: ask for them to be let through; that is decided on this very list."


def held_answer(case: Case[Subject]) -> Answer:
    held = case.evidence.get(HeldDeletions)
    if isinstance(held, Missing):
        return _unreadable(case, held.reason)
    offers = (Offer(AGAIN, case.ask.text), *_letting_through(case, held))
    headline = _headline(held)
    body = [title(headline, state="Held" if held.lists else "None held", tone=_tone(held))]
    for each in held.lists[:SHOWN]:
        body += _of_one(each, named=len(held.lists) > 1)
    if len(held.lists) > SHOWN:
        body.append(line(run(f"and {len(held.lists) - SHOWN} more configurations that hold fewer", subtle=True)))
    if held.lists:
        body += [*_limit(case), heading("What now"), *bullets([PUT_BACK, ALLOW])]
    shown = card([*body, *offered(offers, case.subject), *typed(offers, case.subject), *foot_of(case)], headline)
    document = {**bare_verdict(case, State.FINE, headline).as_json(), "held": [_entry(each) for each in held.lists]}
    return Answer(shown, document, offers=offers)


def _tone(held: HeldDeletions) -> Tone:
    return Tone.WARNING if held.lists else Tone.GOOD


def _headline(held: HeldDeletions) -> str:
    if not held.lists:
        return NONE
    count = sum(len(each.staged.rows) for each in held.lists)
    many = f"{count} deletion{'s are' if count != 1 else ' is'}" if count else "Deletions are"
    first = place_of_job(held.lists[0].job)
    more = f" and {len(held.lists) - 1} more" if len(held.lists) > 1 else ""
    return f"{many} held in the sync of {first}{more}, until somebody decides."


def _of_one(held: HeldList, *, named: bool) -> list[Element]:
    body = [labelled("Configuration", run(held.job.configuration))] if named else []
    body += [labelled("Mind", run(each, most=300)) for each in held.moved]
    if not held.staged.complete:
        body.append(labelled("Not whole", "the log has more of them than could be read."))
    told = deletions(held.staged) if held.staged.rows else [line("The log names none of them.")]
    return [*body, *told, *held_clocks(held.job)]


def _limit(case: Case[Subject]) -> Iterator[Element]:
    limit = case.evidence.get(DeleteThreshold)
    if not isinstance(limit, Missing) and limit.value is not None:
        yield labelled("Limit", f"{limit.value} deletions in one cycle")


def _letting_through(case: Case[Subject], held: HeldDeletions) -> tuple[Offer, ...]:
    """Only where it is clear which list it would be, and all of that can be seen."""
    if LET_THROUGH.op not in case.ask.may.acts or len(held.lists) != 1:
        return ()
    only = held.lists[0]
    if not (only.staged.rows and only.staged.complete):
        return ()
    return (Offer(LET_THROUGH.title, LET_THROUGH.words, consent(case.ask.may.acts[LET_THROUGH.op])),)


def _entry(held: HeldList) -> dict[str, object]:
    places = {place: len(rows) for place, rows in held.staged.by_place.items()}
    return {
        "configuration": held.job.configuration,
        "jobId": held.job.id,
        "deletions": len(held.staged.rows),
        "complete": held.staged.complete,
        "places": places,
    }


def _unreadable(case: Case[Subject], reason: str) -> Answer:
    headline = "The held deletions could not be read."
    settle = Settle("provisioning log", "identity admin", f"Make the provisioning log and the jobs readable: {reason}")
    body = [title(headline, state="Not readable", tone=Tone.WARNING), labelled("Why", reason)]
    verdict = bare_verdict(case, State.CANNOT_TELL, headline, settle)
    shown = card([*body, labelled("Who must move", "identity admin"), *foot_of(case)], headline)
    return Answer(shown, verdict.as_json(), Outcome.CANNOT_TELL, (Offer(AGAIN, case.ask.text),))
