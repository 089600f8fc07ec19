"""The act that is the next safe step after a verdict, in the words in which a person would ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bot.answering import About, May, Offer
from bot.diagnosis import Found
from skills.facts.subject import SubjectKind
from skills.verdict import State, Verdict

RESTORE: Final = "restore_user"
FIRST_STEP: Final = frozenset({"cloud-hard-deleted", "match-invalid-anchor", "obj-wrong-dn"})
"""Running the account is itself the cure; after any other cause something has to be mended before."""
OF_THE_ACCOUNT: Final = frozenset({"cloud-user-soft-deleted", "match-soft-deleted-holder"})
"""Where what lies in the recycle bin is the account that was asked about."""
LOOKS_AGAIN: Final = "No cause of it is seen now, and I look once more before it is done."


@dataclass(frozen=True)
class Way:
    """`words` may hold {who} and {job}, the names of the person and the configuration."""

    op: str
    title: str
    words: str
    mind: str = ""


RUN: Final = Way("provision_on_demand", "Provision now", "provision {who} now")
CLEAR: Final = Way("clear_quarantine", "Clear the quarantine", "clear the quarantine of {job}", LOOKS_AGAIN)
BY_ACTION: Final[Mapping[str, Way]] = MappingProxyType(
    {
        "provision_on_demand": RUN,
        "restore_user": Way(RESTORE, "Restore the account", "restore {who} from the recycle bin"),
        "start_job": Way("start_job", "Start the job", "start the job of {job}"),
        "restart_job": Way("re_evaluate", "Re-evaluate everybody", "full sync of {job}"),
        "clear_quarantine": CLEAR,
    }
)
"""By the action that a finding names (contract section 5)."""
BY_CAUSE: Final[Mapping[str, Way]] = MappingProxyType(
    {
        "q-exception": CLEAR,
        "q-phs-job-only": Way(
            "clear_quarantine", "Clear the quarantine", "clear the quarantine of passwords of {job}", LOOKS_AGAIN
        ),
    }
)
"""Where the cause itself says it: a fault that has ended leaves its quarantine behind."""
LET_THROUGH: Final = Way("allow_deletes", "Let them through", "let the deletes through")
REVIEWED: Final = "review_staged_deletes"
REVIEW: Final = Offer("Review held deletions", "what deletions are held")
SPLIT: Final = frozenset({"match-cloud-twin"})


def next_act(verdict: Verdict, may: May, who: str) -> tuple[Offer, ...]:
    """For the first cause, and nothing that the asker may not ask for. `who`: how the person is named for certain."""
    if not verdict.causes or verdict.state not in (State.BLOCKED, State.WAITING):
        return ()
    first = verdict.causes[0]
    if first.finding.action == REVIEWED:
        return (REVIEW,) if About.TENANT in may.about else ()
    if first.id in SPLIT and About.TENANT in may.about:
        return (Offer("Which one to keep", f"fix the split brain of {who}"),)
    way = _way(verdict, first)
    if way is None or way.op not in may.acts:
        return ()
    words = way.words.format(who=who, job=verdict.configuration)
    return (Offer(_title(way, verdict, first), words, " ".join(filter(None, (way.mind, consent(may.acts[way.op]))))),)


def _way(verdict: Verdict, first: Found) -> Way | None:
    way = BY_CAUSE.get(first.id) or BY_ACTION.get(first.finding.action or "")
    if way is None or ("{job}" in way.words and not verdict.configuration):
        return None
    if "{who}" in way.words and not (verdict.subject.kind is SubjectKind.USER and verdict.subject.known):
        return None
    return None if way.op == RESTORE and first.id not in OF_THE_ACCOUNT else way


def _title(way: Way, verdict: Verdict, first: Found) -> str:
    mended = way is not RUN or verdict.state is State.WAITING or first.id in FIRST_STEP
    return way.title if mended else "Provision once mended"


def consent(others: int) -> str:
    """Who else has to agree, as a sentence."""
    match others:
        case 0:
            return "It runs at once."
        case 1:
            return "Another person has to agree."
        case _:
            return f"{others} other people have to agree."
