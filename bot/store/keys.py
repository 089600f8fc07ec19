"""Names of rows: what every engine takes as a key, and a key for every text that is none."""

import base64
import hashlib
import re
from typing import Final

from bot.store import Refused

HASHED: Final = "x."
"""What is encoded begins so; a text that begins so by itself is encoded, too."""

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,120}")
_BOUND = re.compile(r"[A-Za-z0-9_.~-]{0,121}")


def checked_key(text: str) -> str:
    """The text itself. Raises Refused."""
    if _KEY.fullmatch(text) is None:
        raise Refused(f"{text[:40]!r} is no key: 1 to 120 letters, digits, '_', '.' and '-'.")
    return text


def checked_bound(text: str) -> str:
    """A key, the beginning of one, or one beyond all (`~`). Raises Refused."""
    if _BOUND.fullmatch(text) is None:
        raise Refused(f"{text[:40]!r} bounds no keys.")
    return text


def key_of(text: str) -> str:
    """The same key for the same text and no other; the text itself where it is a key already."""
    if _KEY.fullmatch(text) is not None and not text.startswith(HASHED):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return HASHED + base64.b32encode(digest).decode("ascii").rstrip("=").lower()
