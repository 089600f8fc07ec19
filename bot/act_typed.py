"""Decisions as people type them: `approve 7F3K 9c1e22ab`, `deny 7F3K because …`. Read strictly, never guessed."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.approval_shelf import ALPHABET, CODE_LENGTH


class Say(StrEnum):
    """What somebody may type about a request."""

    SHOW = "show"
    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    REVOKE = "revoke"
    ASK = "ask"
    ANSWER = "answer"
    CHECK = "check"
    SETTLE = "settle"
    REVIEW = "review"
    BREAK_GLASS = "break glass"
    PENDING = "pending"
    STOP_ALL = "stop all acts"
    RELEASE_ALL = "release all acts"
    STOPPED = "are acts stopped"


OF_ALL: Final = frozenset({Say.STOP_ALL, Say.RELEASE_ALL, Say.STOPPED})
"""About the stop switch, and no request."""

OTHER_WORDS: Final = {"reject": Say.DENY, "withdraw": Say.CANCEL}
MAY_MEAN_ELSE: Final = frozenset({Say.SHOW, Say.REVOKE, Say.ASK, Say.ANSWER, Say.CHECK})
"""`revoke DC24` and `check DC24` may be about a server, `ask jane` about nobody here."""
MOST_REASON: Final = 4_000


@dataclass(frozen=True)
class Typed:
    say: Say
    code: str = ""
    digest: str = ""
    outcome: str = ""
    """`done` or `failed`, where somebody tells how it ended."""
    text: str = ""
    """The reason, or the question."""

    def plainly(self, typed: str) -> bool:
        """Whether it is about a request for sure, though there is none of this code."""
        shaped = any(each.isdigit() for each in self.code) or self.code in typed
        return self.say not in MAY_MEAN_ELSE and shaped


_VERBS = "|".join([*(say.value for say in Say if say not in {Say.PENDING, Say.BREAK_GLASS, *OF_ALL}), *OTHER_WORDS])
_ONE = re.compile(
    rf"\s*(?P<verb>{_VERBS}|break[ -]?glass)\s+(?:request\s+)?#?(?P<code>[{ALPHABET}]{{{CODE_LENGTH}}})"
    r"(?![\w@.-]\w|\w)(?P<rest>.*)",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_PENDING = re.compile(
    r"\s*(?:(?:show|list)\s+)?(?:me\s+)?(?:the\s+|all\s+|my\s+)?"
    r"(?:pending|(?:pending|open|waiting)\s+(?:requests?|approvals?)|approvals)\s*[.?!]?\s*",
    re.IGNORECASE | re.ASCII,
)
_ACTS = r"(?:all\s+(?:of\s+)?)?(?:the\s+)?(?:acts|actions)"
_ALL = re.compile(
    rf"\s*(?:please\s+)?(?P<verb>stop|release)\s+{_ACTS}(?P<rest>|[\s,.:;!?–—-].*)", re.IGNORECASE | re.DOTALL
)
_STOPPED = re.compile(
    rf"\s*(?:are|is)\s+{_ACTS}\s+(?:stopped|released|running|allowed)\s*[.?!]*\s*|\s*stop\s+switch\s*[.?!]*\s*",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"\s+([0-9a-f]{8,64})(?=\s|[.,;:!]|$)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_OUTCOME = re.compile(r"\s+(done|failed)\b(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_LEADING = re.compile(r"[\s,.:;–—-]*(?:because\b|since\b|reason\b)?[\s,.:;–—-]*", re.IGNORECASE)
_BECAUSE = re.compile(r"[\s,;]*\bbecause\b[\s:,]*(.+)", re.IGNORECASE | re.DOTALL)
_ANYWAY = re.compile(r"[\s,]*\b(?:anyway|all the same|nevertheless)[\s.!]*", re.IGNORECASE)


def typed_decision(text: str) -> Typed | None:
    """None: it is something else."""
    if _PENDING.fullmatch(text):
        return Typed(Say.PENDING)
    if switched := _switched(text):
        return switched
    found = _ONE.fullmatch(text)
    if found is None:
        return None
    verb, code, rest = found["verb"].lower(), found["code"].upper(), found["rest"]
    say = Say.BREAK_GLASS if verb.startswith("break") else OTHER_WORDS.get(verb) or Say(verb)
    return _whole(say, code, rest)


def _switched(text: str) -> Typed | None:
    """A question never turns the switch."""
    if _STOPPED.fullmatch(text):
        return Typed(Say.STOPPED)
    found = _ALL.fullmatch(text)
    if found is None:
        return None
    if found["rest"].rstrip().endswith("?"):
        return Typed(Say.STOPPED)
    say = Say.STOP_ALL if found["verb"].lower() == "stop" else Say.RELEASE_ALL
    return Typed(say, text=reason_of(found["rest"].lstrip(" .!")))


def _whole(say: Say, code: str, rest: str) -> Typed:
    """What is not said plainly shows the request and decides nothing."""
    if say is Say.APPROVE:
        digest = _DIGEST.fullmatch(rest)
        return Typed(say, code, digest[1].lower(), text=reason_of(digest[2])) if digest else Typed(Say.SHOW, code)
    if say is Say.SETTLE:
        outcome = _OUTCOME.fullmatch(rest)
        told = Typed(say, code, outcome=outcome[1].lower(), text=reason_of(outcome[2])) if outcome else None
        return told or Typed(Say.SHOW, code)
    if say in (Say.CANCEL, Say.REVOKE) and rest.strip().endswith("?"):
        return Typed(Say.SHOW, code)
    return Typed(say, code, text=reason_of(rest))


def reason_of(text: str) -> str:
    """In one line, without what leads up to it. Whether it is long enough, the approval decides."""
    return " ".join(_LEADING.sub("", text[:MOST_REASON], count=1).split())


@dataclass(frozen=True)
class Wish:
    """An act as it was asked for: the words for the grammar, and what was said besides."""

    words: str
    reason: str = ""
    insists: bool = False


def wish_of(text: str) -> Wish:
    """`clear the quarantine anyway because the firewall is open` → what is asked, why, and that somebody insists."""
    found = _BECAUSE.search(text)
    words, reason = (text[: found.start()], reason_of(found[1])) if found else (text, "")
    insisting = _ANYWAY.search(words)
    return Wish(_ANYWAY.sub(" ", words).strip() if insisting else words, reason, insisting is not None)


def is_reason(text: str) -> bool:
    """Words somebody can read later, in whatever program the audit is opened; its length is the approval's affair."""
    return sum(each.isalnum() for each in text) >= 5 and text[:1] not in tuple("=+@")
