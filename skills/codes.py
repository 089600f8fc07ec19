"""What a code means: error codes, quarantine reasons, skip reasons, sign-in errors and event numbers."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

FAMILIES = (
    "HybridSynchronizationActiveDirectory", "HybridSynchronization", "HybridIdentityService", "AzureActiveDirectory",
    "AzureDirectoryService",
)  # fmt: skip
"""Beginnings that a code may have or lack; what is known of a family still helps with a code that is not known."""
LONG_ENOUGH = 8


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    kind: str
    """job, row, skip, quarantine, event, aadsts or http"""
    means: str
    owner: str
    fix: tuple[str, ...]
    cause: str | None
    aliases: tuple[str, ...]
    rule: str | None
    """`proven` or `likely` where the code alone names its cause."""

    @classmethod
    def from_toml(cls, code: str, body: dict[str, Any]) -> "Code":
        return cls(
            code,
            body["kind"],
            body["means"],
            body["owner"],
            tuple(body["fix"]),
            body.get("cause"),
            tuple(body.get("aliases", ())),
            body.get("rule"),
        )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.code, *self.aliases)

    def is_named_by(self, code: str) -> bool:
        """Whether a source's code is this one, with or without the beginning of its family."""
        asked = folded(code)
        return any(asked in (folded(name), *_with_families(name)) for name in self.names)


@cache
def codes() -> tuple[Code, ...]:
    """All of them, in the order of the file."""
    raw = tomllib.loads(files("skills").joinpath("codes.toml").read_text(encoding="utf-8"))
    return tuple(Code.from_toml(code, body) for code, body in raw.items())


def folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _with_families(name: str) -> Iterator[str]:
    """With the beginnings of the cloud directory. An on-premises beginning makes it another error."""
    for family in FAMILIES:
        if family.startswith("Azure"):
            yield folded(family) + folded(name)


@cache
def _by_name() -> dict[str, Code]:
    return {folded(name): code for code in reversed(codes()) for name in reversed(code.names)}


def explain(code: str) -> Code | None:
    """The record of a code however it is spelt: without its family, cut short, in a sentence; else of its family."""
    asked, known = folded(code), _by_name()
    if not asked:
        return None
    if asked in known:
        return known[asked]
    return _said_in(code) or _cut_short(asked) or _of_family(asked)


def _said_in(text: str) -> Code | None:
    """A code within a longer text: `event 7041 on the server`, `AADSTS50034: the user account does not exist`."""
    known, families = _by_name(), {folded(family) for family in FAMILIES}
    words = [folded(word) for word in re.findall(r"[\w.-]+", text)]
    for word in sorted(words, key=len, reverse=True):
        if word in known and word not in families and _is_telling(word):
            return known[word]
    whole = folded(text)
    inside = [name for name in known if len(name) >= LONG_ENOUGH and name in whole and name not in families]
    return known[max(inside, key=len)] if inside else None


def _is_telling(word: str) -> bool:
    """Not an ordinary word or a small number that happens to be a code as well."""
    return len(word) >= LONG_ENOUGH or (len(word) > 2 and any(map(str.isdigit, word)))


def _cut_short(asked: str) -> Code | None:
    """The only code that contains what was typed."""
    if len(asked) < LONG_ENOUGH or asked.isdecimal():
        return None
    found = {code.code: code for name, code in _by_name().items() if asked in name}
    return next(iter(found.values())) if len(found) == 1 else None


def _of_family(asked: str) -> Code | None:
    family = next((folded(each) for each in FAMILIES if asked.startswith(folded(each))), None)
    return _by_name().get(family) if family else None


def nearest(code: str, most: int = 3) -> tuple[Code, ...]:
    """Codes that are spelt alike, for when `explain` knows none."""
    known = _by_name()
    close = difflib.get_close_matches(folded(code), known, n=most * 2, cutoff=0.5)
    return tuple({known[name].code: known[name] for name in close}.values())[:most]
