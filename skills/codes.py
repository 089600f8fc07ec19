"""The dictionary of codes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    means: str
    owner: str
    fix: tuple[str, ...]
    cause: str | None = None


def explain(code: str) -> Code | None:
    return None


def suggestions(code: str) -> tuple[str, ...]:
    return ()
