"""Text from outside made safe for a card: data stays data, whatever a directory object is called."""

import re
import unicodedata

LONGEST = 200
_SPACES = re.compile(r"\s+")
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def safe(text: object, most: int = LONGEST) -> str:
    """One line without controls; characters that reorder text are spelled out; capped at `most` characters.

    The result goes into a `TextRun`, which knows no Markdown. It never becomes a `TextBlock`, a URL or a mention.
    """
    spelled = "".join(_shown(character) for character in str(text)[: most * 4])
    flat = _SPACES.sub(" ", spelled)
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _shown(character: str) -> str:
    if ord(character) in _BIDI:
        return f"[U+{ord(character):04X}]"
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
