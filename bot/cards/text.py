"""Text from outside made safe for a card: data stays data, whatever a directory object is called."""

import re
import unicodedata

LONGEST = 200
MARKS = 3
"""Combining marks on one letter; more would hide the lines around it."""

_SPACES = re.compile(r"\s+")
_MARK = r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACKED = re.compile(rf"({_MARK}{{{MARKS}}}){_MARK}+")
_MENTION = re.compile(r"<(?=\s*/?\s*at\b)", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), "[token hidden]"),
    (re.compile(r"\bBearer\s+\S{12,}", re.IGNORECASE), "Bearer [hidden]"),
    (
        re.compile(
            r"(?i)\b(password|passwd|pwd|secret|client_secret|access_token|refresh_token|sig|sharedaccesskey|accountkey)"
            r"(\s*=\s*|\s*:\s*(?=\S*\d)(?=\S{6}))\S+"
        ),
        r"\1\2[hidden]",
    ),
)
_SPOKEN = str.maketrans({"[": "(", "]": ")", "<": "‹", ">": "›", "`": "'", "*": "∗", "|": "¦"})


def safe(text: object, most: int = LONGEST) -> str:
    """One line; characters that are not seen or that reorder text are spelled out; capped at `most` characters.

    The result goes into a `TextRun`, which knows no Markdown. It never becomes a `TextBlock`, a URL or a mention.
    """
    raw = str(text)
    near = raw[: most * 4]
    spelled = near if near.isprintable() else "".join(_shown(character) for character in near)
    flat = _STACKED.sub(r"\1", _SPACES.sub(" ", spelled))
    for secret, instead in _SECRETS:
        flat = secret.sub(instead, flat)
    flat = _MENTION.sub("‹", flat).replace("{{", "{ {")
    return flat if len(flat) <= most and len(raw) <= most * 4 else flat[: most - 1] + "…"


def spoken(text: object, most: int = 500) -> str:
    """For the places of a card that clients read as Markdown or as speech: no link, no markup, the same words."""
    return safe(text, most).translate(_SPOKEN).replace("://", ": //")


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return f"[U+{ord(character):04X}]" if unicodedata.category(character).startswith("C") else character
