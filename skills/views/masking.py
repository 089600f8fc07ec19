"""A picker for a channel: who is called alike is nobody else's business, so it tells them apart without their names."""

from dataclasses import replace

from bot.identifiers import InvalidDn, parse_dn
from skills.facts.subject import Candidate
from skills.verdict import Verdict


def masked(verdict: Verdict) -> Verdict:
    candidates = tuple(_masked(each, number) for number, each in enumerate(verdict.subject.candidates, 1))
    return replace(verdict, subject=replace(verdict.subject, candidates=candidates))


def _masked(candidate: Candidate, number: int) -> Candidate:
    places = dict.fromkeys(filter(None, (_place(part.strip()) for part in candidate.detail.split("·"))))
    return replace(candidate, label=f"{number}. {_initials(candidate.label)}", detail=" · ".join(places))


def _initials(name: str) -> str:
    return " ".join(f"{word[0]}." for word in name.split() if word[0].isalpha()) or "?"


def _place(part: str) -> str:
    """The domain of an address, or the containers above an object. Whatever else it is may be a name."""
    if "=" in part:
        try:
            parsed = parse_dn(part)
        except InvalidDn:
            return ""
        return str(parsed.parent)
    return part.rpartition("@")[2] if "@" in part else part if part in ("cloud only", "group") else ""
