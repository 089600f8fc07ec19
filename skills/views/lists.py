"""Two lists for the whole tenant: who failed and with what, and who changed what in the configuration."""

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Element, Tone, bullets, card, heading, labelled, line, moment, run, table, title
from bot.evidence import Missing
from skills.codes import explain
from skills.facts.log import RecentRows
from skills.facts.subject import Subject
from skills.facts.tenant import ConfigurationChanges
from skills.verdict import State
from skills.views.verdict import bare_verdict

SHOWN = 12


def errors_answer(case: Case[Subject]) -> Answer:
    rows = case.evidence.get(RecentRows)
    if isinstance(rows, Missing):
        return _unreadable(case, "The provisioning log", rows.reason)
    counts = rows.codes()
    if not counts:
        return _answer(case, State.FINE, f"Nobody failed since {moment(rows.since)}.", [])
    total = len({row.source_id or row.id for row in rows.failures})
    body: list[Element] = []
    for code, count in counts.most_common(5):
        known = explain(code)
        names = sorted({row.source_name or row.source_id or "?" for row in rows.failures if row.code == code})
        body += [heading(f"{count} × {code}"), line(known.means if known else "This code is not in the dictionary.")]
        body += bullets([", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")])
    if not rows.complete:
        body.append(line(run("Only the newest rows were read: there may be more.", subtle=True)))
    return _answer(case, State.FINE, f"{total} objects failed since {moment(rows.since)}.", body)


def changes_answer(case: Case[Subject]) -> Answer:
    changes = case.evidence.get(ConfigurationChanges)
    if isinstance(changes, Missing):
        return _unreadable(case, "The directory audit log", changes.reason)
    if not changes.entries:
        return _answer(case, State.FINE, f"Nobody changed the configuration since {moment(changes.since)}.", [])
    rows = [(moment(each.at), each.actor or "?", each.activity) for each in changes.entries[:SHOWN]]
    headline = (
        f"{len(changes.entries)} changes of the configuration since {changes.since:%d %b}, the last by {rows[0][1]}."
    )
    return _answer(case, State.FINE, headline, [table(("When", "Who", "What"), rows, [2, 2, 4])])


def _unreadable(case: Case[Subject], what: str, reason: str) -> Answer:
    return _answer(case, State.CANNOT_TELL, f"{what} could not be read.", [labelled("Why", reason)])


def _answer(case: Case[Subject], state: State, headline: str, body: list[Element]) -> Answer:
    tone = Tone.WARNING if state is State.CANNOT_TELL else Tone.ACCENT
    shown = card([title(headline, state="List", tone=tone), *body], headline)
    verdict = bare_verdict(case, state, headline)
    return Answer(shown, verdict.as_json(), offers=(Offer("Check again", case.ask.text),))
