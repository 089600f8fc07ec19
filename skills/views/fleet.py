"""The cards about probes themselves: the token, who asks to join, what was confirmed or revoked, and the list."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bot.answering import Answer, Ask, Offer, Outcome
from bot.cards.elements import (
    Element,
    Tone,
    bullets,
    card,
    clock,
    fold,
    heading,
    labelled,
    line,
    moment,
    run,
    table,
    title,
)
from bot.enrolling import FLOOR, Invited, Revoked
from bot.relay.application import COMMAND, LONGEST_TOKEN
from bot.relay.client import ProbeContact
from bot.relay.contacts import older
from bot.relay.enrolment import INVITED_FOR
from bot.relay.enrolments import ProbeRecord
from bot.relay.envelope import Standing
from skills.facts.subject import Subject, SubjectKind
from skills.verdict import Settle, State, Verdict
from skills.views.words import stamp

PACKAGE = "docs/probe-install.md"
SHOWN = 12
SKEWED = 60
"""Seconds; Kerberos gives up at 300."""
STANDINGS = {
    Standing.WAITING: "waiting for a second admin",
    Standing.CONFIRMED: "in service",
    Standing.REVOKED: "revoked",
}
REFUSALS: Mapping[str, str] = {
    "bad-name": "{name} cannot be the name of a probe: letters, digits, dots, dashes and underscores, 63 at most.",
    "nobody": "Only a person in a chat may do this, so that it is known who did.",
    "no-probe": "No probe of the name {name} has been invited or has applied.",
    "not-waiting": "{name} does not wait for a confirmation.",
    "same-person": "You invited {name} yourself: another admin has to confirm it.",
    "locked": "There were ten wrong fingerprints for {name}, so this application counts no more.",
    "other-fingerprint": "This is not the fingerprint of the key that {name} applied with. Nothing was confirmed.",
}
NEXT: Mapping[str, str] = {
    "no-probe": "To begin: enrol {name}",
    "not-waiting": "To see how it stands: probes",
    "same-person": "Ask another admin to read the fingerprint on the server's screen and to confirm it here.",
    "locked": "To begin anew: revoke {name}, then enrol {name}",
    "other-fingerprint": "Both of you: read it once more on the screen of the server itself. If it stays different, "
    "somebody else has applied under this name: revoke {name}",
}
WHAT_TO_SET = {
    "WHYSYNC_PUBLIC_URL": "the https address under which servers reach me",
    "WHYSYNC_SIGNING_KEY": "my own key, which signs what probes are asked to do",
    "WHYSYNC_SERVICEBUS": "the Service Bus namespace that carries it",
}
SHOW = (Offer("Show the probes", "probes"),)


def invited(ask: Ask, given: Invited, now: datetime) -> Answer:
    """Shown to one person, once. The headline goes to screen readers and into threads, so the token is not in it."""
    name = given.token.probe
    headline = f"A token for {name}: good for half an hour, once, under this name alone."
    steps = [
        f"Install the probe package on the server, as {PACKAGE} says. Its script asks for the line below.",
        "Where it is installed already, run the line there, in an elevated prompt.",
        "The server then shows a fingerprint. Another admin than you reads it there and types here: "
        f"confirm {name} and that fingerprint.",
    ]
    body = [title(headline, state="Token", tone=Tone.ACCENT), *bullets(steps, numbered=True)]
    body.append(line(run(COMMAND + given.token.text, most=LONGEST_TOKEN), spacing="Medium"))
    if given.instead is not None:
        body.append(labelled("Mind", f"{name} is enrolled already. When this token is used, that probe ends for ever."))
    body.append(line(f"Whoever holds this token can apply as {name}. If it goes astray: revoke {name}"))
    body.append(clock("Good until", datetime.fromtimestamp(now.timestamp() + INVITED_FOR / 1000, UTC)))
    return _answer(ask, card(body, headline), headline, now)


def asks_to_join(record: ProbeRecord) -> Element:
    """To whoever invited it. There is no line to be copied: the fingerprint has to be read on the server."""
    name, probe = record.name, record.probe
    headline = f"{name} asks to join, from host {probe.host}."
    body = [
        title(headline, state="Waiting", tone=Tone.WARNING),
        labelled("Fingerprint of its key", probe.key.fingerprint),
        line("Compare it with what the server shows on its own screen. If it differs, somebody else has applied."),
        line(f"Another admin than you confirms, with what they read there: confirm {name} and the fingerprint."),
        line(f"If nobody of you is at that server: revoke {name}"),
    ]
    return card(body, headline)


def confirmed(ask: Ask, record: ProbeRecord, now: datetime) -> Answer:
    headline = f"{record.name} is confirmed and in service."
    body = [
        title(headline, state="Confirmed", tone=Tone.GOOD),
        labelled("Host", record.probe.host),
        line("It reports within a minute once its service runs. To see it: probes"),
    ]
    return _answer(ask, card(body, headline), headline, now, SHOW)


def revoked(ask: Ask, name: str, given: Revoked, now: datetime) -> Answer:
    record = given.record
    if record is None:
        headline = f"The invitation for {name} has ended. No probe of this name had applied."
    elif given.already:
        headline = f"{record.name} was revoked already, on {moment(_at(record.revoked))}."
    else:
        headline = f"{record.name} is revoked: its key never counts again, and nothing it says is heard."
    body = [title(headline, state="Revoked", tone=Tone.WARNING)]
    body += [line("Stop its service on the server, or uninstall it there.")] if record else []
    body.append(line(f"To take it into service again, with a new key: enrol {record.name if record else name}"))
    return _answer(ask, card(body, headline), headline, now, SHOW)


def which(ask: Ask, example: str, now: datetime) -> Answer:
    headline = f"Name the server, as in: {example}"
    return _answer(ask, _notice("Which one?", headline), headline, now, outcome=Outcome.NOT_UNDERSTOOD)


def no_fingerprint(ask: Ask, name: str, now: datetime) -> Answer:
    headline = f"I did nothing: after confirm {name} comes the fingerprint, whole, as the server's own screen shows it."
    return _answer(ask, _notice("Fingerprint?", headline), headline, now, outcome=Outcome.NOT_UNDERSTOOD)


def say_it_plainly(ask: Ask, now: datetime) -> Answer:
    headline = "I did nothing: I do this only when it is asked for plainly, of one server, as in: revoke SRV-SYNC01"
    return _answer(ask, _notice("Say it plainly", headline), headline, now, outcome=Outcome.NOT_UNDERSTOOD)


def refused(ask: Ask, name: str, reason: str, now: datetime) -> Answer:
    headline = REFUSALS.get(reason, "This was refused ({reason}).").format(name=name, reason=reason)
    then = NEXT.get(reason, "").format(name=name)
    return _answer(ask, _notice("Refused", headline, then), headline, now, outcome=Outcome.NOT_ALLOWED)


def not_kept(ask: Ask, reason: str, now: datetime) -> Answer:
    headline = "I could not keep this, so it may not have been done. To see how it stands: probes"
    return _answer(ask, _notice("Not kept", headline, reason), headline, now, outcome=Outcome.UNREACHABLE)


def not_set_up(ask: Ask, missing: Sequence[str], now: datetime) -> Answer:
    headline = "I am not set up for probes yet."
    body = [title(headline, state="Not set up", tone=Tone.WARNING), heading("Missing settings")]
    body += [labelled(name, WHAT_TO_SET.get(name, "see docs/settings.md")) for name in missing]
    return _answer(ask, card(body, headline), headline, now, outcome=Outcome.CANNOT_TELL)


# The list.


def people_of(record: ProbeRecord) -> tuple[str, ...]:
    return tuple(filter(None, (record.probe.invited_by, record.confirmed_by, record.revoked_by)))


def listed(
    ask: Ask,
    records: Sequence[ProbeRecord],
    contacts: Sequence[ProbeContact],
    names: Mapping[str, str],
    now: datetime,
) -> Answer:
    """Those that wait first. Their fingerprints are not here, so that nobody copies one instead of reading it."""
    heard = {each.probe.lower(): each for each in contacts}
    order = [*STANDINGS]
    shown = sorted(records, key=lambda each: (order.index(each.probe.standing), each.name.lower()))
    remarks = [remark for each in shown for remark in _remarks(each, heard.get(each.name.lower()))]
    headline = _headline(shown)
    tone = Tone.WARNING if remarks or not records else Tone.GOOD
    body = [title(headline, state="Look at this" if remarks else "Probes", tone=tone), *bullets(remarks[:SHOWN])]
    if shown:
        body.append(_table([(each, heard.get(each.name.lower())) for each in shown[:SHOWN]]))
        body += [line(run(f"and {len(shown) - SHOWN} more", subtle=True))] if len(shown) > SHOWN else []
        body += fold("who", "Where they run, and who let them in", [_story(each, names) for each in shown[:SHOWN]])
    else:
        body.append(line("What happens on the servers themselves is not seen. To begin: enrol SRV-SYNC01"))
    offers = () if shown else (Offer("What is a probe?", "what is a probe"),)
    return _answer(ask, card(body, headline), headline, now, offers)


def _headline(records: Sequence[ProbeRecord]) -> str:
    if not records:
        return "No probe is enrolled."
    counted = [(sum(each.probe.standing is standing for each in records), word) for standing, word in STANDINGS.items()]
    told = ", ".join(f"{count} {word}" for count, word in counted if count)
    return f"{len(records)} {'probe' if len(records) == 1 else 'probes'}: {told}."


def _table(shown: Sequence[tuple[ProbeRecord, ProbeContact | None]]) -> Element:
    """Where all are in service, the headline says it, and a phone has room for the rest."""
    rows = [_row(*each) for each in shown]
    if {row[1] for row in rows} == {STANDINGS[Standing.CONFIRMED]}:
        short = [(name, heard, told) for name, _, heard, told in rows]
        return table(("Probe", "Last heard", "Version, clock"), short, (3, 4, 3))
    return table(("Probe", "Standing", "Last heard", "Version, clock"), rows, (3, 3, 4, 3))


def _row(record: ProbeRecord, contact: ProbeContact | None) -> tuple[str, str, str, str]:
    live = contact if record.probe.standing is Standing.CONFIRMED else None
    version = (live.version if live else None) or "not known"
    skew = "" if live is None or live.skew_s is None else f", {_skew(live.skew_s)}"
    return record.name, STANDINGS[record.probe.standing], "; ".join(_ways(live)) or "–", version + skew


def _ways(contact: ProbeContact | None) -> Iterator[str]:
    if contact is None:
        return
    for name, way, is_open in (("relay", "relay", contact.relay), ("HTTPS", "fallback", contact.fallback)):
        last = contact.seen_by.get(way)
        if is_open is None:
            yield f"{name} not known, my own end is down"
        elif is_open:
            yield f"{name} {stamp(last)}" if last else f"{name} in contact"
        else:
            yield f"{name} silent since {stamp(last)}" if last else f"{name} never"


def _skew(seconds: int) -> str:
    if abs(seconds) < 2:
        return "clock right"
    return f"clock {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"


def _remarks(record: ProbeRecord, contact: ProbeContact | None) -> Iterator[str]:
    """What somebody should do something about."""
    if record.probe.standing is Standing.WAITING:
        yield f"{record.name} waits since {stamp(_at(record.applied))} for a second admin to confirm it."
        if record.bad_tries:
            yield f"{record.name}: wrong fingerprints typed so far: {record.bad_tries}."
    elif record.probe.standing is Standing.CONFIRMED:
        yield from _of_contact(record.name, contact)


def _of_contact(name: str, contact: ProbeContact | None) -> Iterator[str]:
    if contact is None or not (contact.relay or contact.fallback):
        last = contact.last_seen if contact else None
        yield f"{name} {f'is silent since {stamp(last)}' if last else 'was never heard'}. Does its service run?"
        return
    if contact.fallback and contact.relay is False:
        yield f"{name} is heard over HTTPS and not over the relay. To see why: test the network from {name}"
    if contact.version and older(contact.version, FLOOR):
        yield f"{name} runs version {contact.version}, older than {FLOOR}: it is asked for nothing but the time."
    if contact.skew_s is not None and abs(contact.skew_s) >= SKEWED:
        yield f"{name}: {_skew(contact.skew_s)}. Kerberos refuses at 300 s."


def _story(record: ProbeRecord, names: Mapping[str, str]) -> Element:
    told = f"host {record.probe.host}, invited by {_person(record.probe.invited_by, names)}"
    told += f", applied {stamp(_at(record.applied))}"
    if record.confirmed_by:
        told += f", confirmed by {_person(record.confirmed_by, names)} {stamp(_at(record.confirmed))}"
    if record.revoked_by:
        told += f", revoked by {_person(record.revoked_by, names)} {stamp(_at(record.revoked))}"
    return labelled(record.name, told)


def _person(who: str, names: Mapping[str, str]) -> str:
    return names.get(who) or f"account {who}"


# What all of them share.


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _notice(word: str, sentence: str, then: str = "") -> Element:
    more = [line(then)] if then else []
    return card([title(sentence, state=word, tone=Tone.WARNING), *more], sentence)


def _answer(
    ask: Ask,
    shown: Element,
    headline: str,
    now: datetime,
    offers: tuple[Offer, ...] = (),
    *,
    outcome: Outcome = Outcome.ANSWERED,
) -> Answer:
    fine = outcome is Outcome.ANSWERED
    settle = None if fine else Settle("the probes", "identity admin", headline)
    state = State.FINE if fine else State.CANNOT_TELL
    subject = Subject("the probes", SubjectKind.TENANT)
    verdict = Verdict(at=now, subject=subject, state=state, headline=headline, settle=settle, case_id=ask.case_id)
    return Answer(shown, verdict.as_json(), outcome, offers)
