"""The verdict on servers: causes of the layers that were asked about, by the same rules as for people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.answering import Case
from bot.diagnosis import Certainty, Found, Kind
from bot.evidence import Evidence, Missing
from skills.catalogue import catalogue
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import Contacts, EventLog, SiteFact
from skills.facts.subject import Subject
from skills.facts.tenant import Now
from skills.rules.channel_state import channel_state
from skills.settle import relevant
from skills.silence import by_hand, unheard
from skills.verdict import Settle, State, Verdict

NO_PROBE = "No probe is enrolled, so nothing is seen of the servers."


@dataclass(frozen=True)
class Topic:
    """What was to be checked."""

    name: str
    """As a sentence calls it, with `{}` for the servers: `the network of {}`."""
    layers: frozenset[str]
    kinds: tuple[type[SiteFact[Any]], ...]
    """The checks without which nothing can be said of it."""
    checks: tuple[str, ...]
    """What a person on the server runs instead."""
    failures: Callable[[Evidence, str], Sequence[str]]
    """What went wrong on one server, cause or not, each in a few words."""
    beaten_by_a_good_cycle: bool = True
    """Whether an agent that works shows that such a failure does no harm."""


def judge_servers(case: Case[Subject], topic: Topic) -> Verdict:
    found = () if case.subject.candidates else _causes(case, topic.layers)
    state, headline, settle = State.BLOCKED, "", None
    if found:
        headline = found[0].finding.says
        quiet = [each.probe for each in unheard(case.evidence, case.subject.probe)] if _unsure(found[0]) else []
        settle = _look(case.evidence, topic, _named(quiet)) if quiet else None
    else:
        state, headline, settle = _without_cause(case, topic)
    return Verdict(
        at=case.at,
        subject=case.subject,
        state=state,
        headline=headline,
        causes=found,
        also=tuple(each for each in case.diagnosis.found if each not in found),
        ruled_out=tuple(each.id for each in case.diagnosis.ruled_out),
        undecided=tuple((each.rule.id, each.missing[0][1]) for each in relevant(case.diagnosis, case.evidence)),
        settle=settle,
        sources=case.evidence.sources,
        explained={each.id: tuple(sorted(case.diagnosis.explained_by(each))) for each in found},
        graph_calls=case.graph_calls,
        took_ms=case.took_ms,
        case_id=case.ask.case_id,
    )


def _causes(case: Case[Subject], layers: frozenset[str]) -> tuple[Found, ...]:
    roots = (each for each in case.diagnosis.roots if each.rule.kind is Kind.CAUSE)
    return tuple(each for each in roots if catalogue()[each.id].layer in layers)


def elsewhere(case: Case[Subject], layers: frozenset[str]) -> tuple[Found, ...]:
    """What is in the way and lies in none of the layers that were asked about."""
    roots = (each for each in case.diagnosis.roots if each.rule.kind is Kind.CAUSE)
    return tuple(each for each in roots if catalogue()[each.id].layer not in layers)


def _unsure(found: Found) -> bool:
    return found.finding.certainty is Certainty.LIKELY


def asked_probes(case: Case[Subject]) -> tuple[str, ...]:
    contacts = case.evidence.get(Contacts)
    known = () if isinstance(contacts, Missing) else contacts.contacts
    return tuple(each.probe for each in known if case.subject.probe in (None, each.probe))


def seen_probes(evidence: Evidence, kinds: Sequence[type[SiteFact[Any]]]) -> tuple[str, ...]:
    """The probes that answered at least one of these checks, in the order of their answers."""
    facts = (evidence.get(kind) for kind in kinds)
    return tuple(dict.fromkeys(each.probe for fact in facts if not isinstance(fact, Missing) for each in fact.seen))


def _without_cause(case: Case[Subject], topic: Topic) -> tuple[State, str, Settle | None]:
    evidence, asked = case.evidence, asked_probes(case)
    seen, silent = seen_probes(evidence, topic.kinds), unheard(evidence, case.subject.probe)
    if case.subject.candidates:
        return State.NOT_FOUND, f"There is no probe on {case.subject.asked}.", None
    if not asked:
        return State.CANNOT_TELL, NO_PROBE, _look(evidence, topic, "the agent's server")
    if silent:
        where = ", ".join(each.probe for each in silent)
        rest = [each for each in asked if each not in {one.probe for one in silent}]
        told = f"{silent[0].says}" + (f" {_named(rest)} answered." if rest and seen else "")
        return State.CANNOT_TELL, told, _look(evidence, topic, where)
    if not seen:
        return (
            State.CANNOT_TELL,
            f"No probe could check {topic.name.format(_named(asked))}.",
            _look(evidence, topic, _named(asked)),
        )
    failed = [(probe, told) for probe in seen for told in topic.failures(evidence, probe)]
    if not failed:
        return State.FINE, f"Nothing is wrong with {topic.name.format(_named(seen))}.", None
    first = f"{failed[0][0]}: {failed[0][1]}" + (f", and {len(failed) - 1} more" if len(failed) > 1 else "")
    if topic.beaten_by_a_good_cycle and _agent_works(evidence):
        return State.FINE, f"Not all of it answers ({first}), yet the agent works: that counts for more.", None
    return (
        State.CANNOT_TELL,
        f"Not all of it answers ({first}), and no cause that I know fits.",
        _look(evidence, topic, _named(tuple(dict.fromkeys(probe for probe, _ in failed)))),
    )


def _named(probes: Sequence[str]) -> str:
    shown = list(probes[:3])
    more = f" and {len(probes) - 3} more" if len(probes) > 3 else ""
    return (" and ".join(shown) if len(shown) < 3 else ", ".join(shown)) + more


def _look(evidence: Evidence, topic: Topic, where: str) -> Settle:
    command = by_hand(evidence, topic.checks)[0]
    return Settle(topic.checks[0], "AD admin", f"Run `{command}` on {where}.")


def _agent_works(evidence: Evidence) -> bool:
    """By its own evidence: a good cycle, or the event that it is connected."""
    now = evidence.get(Now)
    if isinstance(now, Missing):
        return False
    facts = (evidence.get(Jobs), evidence.get(SubjectJob), evidence.get(EventLog), evidence.get(Attempts))
    return channel_state(now, *facts).works
