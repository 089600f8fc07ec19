"""Whether it is clear at all who is meant."""

from bot.diagnosis import Finding, Kind, Rule, proven, rule
from skills.facts.subject import Identity


@rule("tool-ambiguous-name", "Does the name mean one person?", kind=Kind.NOTE)
def ambiguous_name(identity: Identity) -> Finding | None:
    candidates = identity.subject.candidates
    if not candidates:
        return None
    return proven(
        f"{identity.subject.asked} is the name of {len(candidates)}: which one is meant has to be said.",
        because=[identity.record.saying(f"{each.label} ({each.detail})") for each in candidates[:3]],
        fix=["Ask again with the user principal name, or press the right one."],
    )


NAMES: tuple[Rule, ...] = (ambiguous_name,)
