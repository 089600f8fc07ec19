"""Two lists for the whole tenant: who failed and with what, and who changed what in the configuration."""

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, moment, run, table, title
from bot.evidence import Missing
from skills.codes import explain
from skills.facts.log import RecentRows
from skills.facts.subject import Subject
from skills.facts.tenant import ConfigurationChanges
from skills.verdict import Settle, State
from skills.views.parts import foot_of, some
from skills.views.verdict import bare_verdict
from skills.views.words import stamp

SHOWN = 6
SHOWN_CODES = 5


def errors_answer(case: Case[Subject]) -> Answer:
    rows = case.evidence.get(RecentRows)
    if isinstance(rows, Missing):
        return _unreadable(case, "The provisioning log", rows.reason)
    counts = rows.codes()
    if not counts:
        return _answer(case, f"Nobody failed since {moment(rows.since)}.", [], Tone.GOOD)
    total = len({row.source_id or row.id for row in rows.failures})
    body: list[Element] = []
    for code, count in counts.most_common(SHOWN_CODES):
        known = explain(code)
        names = sorted({row.source_name or row.source_id or "?" for row in rows.failures if row.code == code})
        body += [heading(f"{count} × {code}"), line(known.means if known else "This code is not in the dictionary.")]
        body += bullets([some(names, SHOWN)])
    if len(counts) > SHOWN_CODES:
        body.append(line(run(f"and {len(counts) - SHOWN_CODES} more codes, each rarer than these", subtle=True)))
    if not rows.complete:
        body.append(line(run("Only the newest rows were read: there may be more.", subtle=True)))
    return _answer(case, f"{_count(total, 'object')} failed since {moment(rows.since)}.", body)


def changes_answer(case: Case[Subject]) -> Answer:
    changes = case.evidence.get(ConfigurationChanges)
    if isinstance(changes, Missing):
        return _unreadable(case, "The directory audit log", changes.reason)
    if not changes.entries:
        return _answer(case, f"Nobody changed the configuration since {moment(changes.since)}.", [])
    rows = [(stamp(each.at), each.actor or "?", each.activity) for each in changes.entries[:SHOWN]]
    total = _count(len(changes.entries), "change")
    headline = f"{total} of the configuration since {changes.since:%d %b}, the last by {rows[0][1]}."
    body = [table(("When", "Who", "What"), rows, [2, 2, 4])]
    if len(changes.entries) > SHOWN:
        body.append(line(run(f"and {len(changes.entries) - SHOWN} older ones", subtle=True)))
    return _answer(case, headline, body)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _unreadable(case: Case[Subject], what: str, reason: str) -> Answer:
    headline = f"{what} could not be read."
    how = f"Make {what[:1].lower()}{what[1:]} readable: {reason}"
    body = [labelled("Why", reason), labelled("Who must move", "identity admin")]
    shown = card([title(headline, state="Not readable", tone=Tone.WARNING), *body, *foot_of(case)], headline)
    verdict = bare_verdict(case, State.CANNOT_TELL, headline, Settle(what.lower(), "identity admin", how))
    return Answer(shown, verdict.as_json(), Outcome.CANNOT_TELL, (Offer("Check again", case.ask.text),))


def _answer(case: Case[Subject], headline: str, body: list[Element], tone: Tone = Tone.ACCENT) -> Answer:
    shown = card([title(headline, state="List", tone=tone), *body, *foot_of(case)], headline)
    verdict = bare_verdict(case, State.FINE, headline)
    return Answer(shown, verdict.as_json(), offers=(Offer("Check again", case.ask.text),))
