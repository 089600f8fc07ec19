"""Security descriptors as Active Directory stores them ([MS-DTYP] 2.4): only what a question about reading needs."""

import struct
import uuid
from dataclasses import dataclass
from typing import Final

DACL_PRESENT: Final = 0x0004
DACL_PROTECTED: Final = 0x1000
INHERIT_ONLY: Final = 0x08
_HEADER: Final = struct.Struct("<BBHIIII")
_ACL: Final = struct.Struct("<BBHHH")
_ACE: Final = struct.Struct("<BBHI")
_ALLOW: Final = frozenset({0x00, 0x05, 0x09, 0x0B})
_DENY: Final = frozenset({0x01, 0x06, 0x0A, 0x0C})
_OF_OBJECT: Final = frozenset({0x05, 0x06, 0x0B, 0x0C})
_CONDITIONAL: Final = frozenset({0x09, 0x0A, 0x0B, 0x0C})
_HAS_TYPE, _HAS_INHERITED_TYPE = 0x1, 0x2


class BadDescriptor(ValueError):  # noqa: N818  # an outcome, named as such
    """The bytes are no security descriptor."""


@dataclass(frozen=True, slots=True)
class AccessEntry:
    allows: bool
    sid: str
    mask: int
    about: uuid.UUID | None
    """The attribute, property set or extended right that it is about; None: all of them."""
    only_inherited: bool
    """It speaks of objects below, not of this one."""
    conditional: bool
    """It counts only where an expression holds, which cannot be worked out from here."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    entries: tuple[AccessEntry, ...] | None
    """In their order; None: there is no list, and everybody may do everything."""
    inherits: bool


def parse_descriptor(raw: bytes) -> Descriptor:
    """Raises BadDescriptor."""
    try:
        revision, _, control, _, _, _, at = _HEADER.unpack_from(raw)
        if revision != 1:
            raise BadDescriptor("an unknown revision")
        entries = _entries(raw, at) if control & DACL_PRESENT and at else None
    except (IndexError, struct.error, ValueError) as error:
        raise BadDescriptor("no security descriptor") from error
    return Descriptor(entries, inherits=not control & DACL_PROTECTED)


def _entries(raw: bytes, at: int) -> tuple[AccessEntry, ...]:
    _, _, size, count, _ = _ACL.unpack_from(raw, at)
    end, here = at + size, at + _ACL.size
    if end > len(raw):
        raise BadDescriptor("a list longer than the descriptor")
    found: list[AccessEntry] = []
    for _ in range(count):
        kind, flags, length, mask = _ACE.unpack_from(raw, here)
        if length < _ACE.size or here + length > end:
            raise BadDescriptor("an entry longer than its list")
        if kind in _ALLOW | _DENY:
            found.append(_entry(raw[here : here + length], kind, flags, mask))
        here += length
    return tuple(found)


def _entry(raw: bytes, kind: int, flags: int, mask: int) -> AccessEntry:
    here, about = _ACE.size, None
    if kind in _OF_OBJECT:
        (has,) = struct.unpack_from("<I", raw, here)
        here += 4
        if has & _HAS_TYPE:
            about = uuid.UUID(bytes_le=raw[here : here + 16])
            here += 16
        if has & _HAS_INHERITED_TYPE:
            here += 16
    return AccessEntry(
        allows=kind in _ALLOW,
        sid=sid_text(raw[here:]),
        mask=mask,
        about=about,
        only_inherited=bool(flags & INHERIT_ONLY),
        conditional=kind in _CONDITIONAL,
    )


def sid_text(raw: bytes) -> str:
    """`S-1-5-21-…`. Raises ValueError, struct.error."""
    revision, count = raw[0], raw[1]
    if revision != 1 or count > 15:
        raise BadDescriptor("no security identifier")
    parts = struct.unpack_from(f"<{count}I", raw, 8)
    return "-".join(map(str, ("S", revision, int.from_bytes(raw[2:8], "big"), *parts)))
