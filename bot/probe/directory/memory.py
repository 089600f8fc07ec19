"""Which object stood at a container's name when it was last seen: what tells a renamed container from a missing one."""

import json
import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MOST_KEPT: Final = 500
MOST_BYTES: Final = 262_144
VERSION: Final = 1


@dataclass
class ContainerMemory:
    """In a small file; in memory alone where there is no place for one. It blocks: call it in a thread."""

    path: Path | None = None
    _known: dict[str, uuid.UUID] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def guid_of(self, dn: str) -> uuid.UUID | None:
        with self._lock:
            return self._loaded().get(_key(dn))

    def remember(self, seen: Mapping[str, uuid.UUID]) -> None:
        """A memory that cannot be written costs only the memory."""
        with self._lock:
            known = self._loaded()
            fresh = {_key(dn): guid for dn, guid in seen.items()}
            if all(known.get(key) == guid for key, guid in fresh.items()):
                return
            for key in fresh:
                known.pop(key, None)  # those seen last stand last, and are kept longest
            known |= fresh
            for key in list(known)[: max(0, len(known) - MOST_KEPT)]:
                del known[key]
            self._write(known)

    def _loaded(self) -> dict[str, uuid.UUID]:
        if self._known is None:
            self._known = _read(self.path) if self.path else {}
        return self._known

    def _write(self, known: Mapping[str, uuid.UUID]) -> None:
        if self.path is None:
            return
        body = {"version": VERSION, "containers": {dn: str(guid) for dn, guid in known.items()}}
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            beside.write_text(json.dumps(body, ensure_ascii=False, indent=0), "utf-8")
            beside.replace(self.path)
        except OSError:
            beside.unlink(missing_ok=True)


def _key(dn: str) -> str:
    return dn.casefold()


def _read(path: Path) -> dict[str, uuid.UUID]:
    """A file that is missing, too large or not ours is an empty memory."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        body: Any = json.loads(path.read_text("utf-8"))
        held = body["containers"] if body["version"] == VERSION else {}
        return {str(dn): uuid.UUID(guid) for dn, guid in held.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
