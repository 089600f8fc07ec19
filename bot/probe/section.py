"""One table of the policy file while it is being read: each mistake becomes a line, and none is passed over."""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_SECRET_BYTES = 65_536


@dataclass(frozen=True)
class Section:
    body: Mapping[str, Any]
    wrong: list[str]
    """All mistakes of the file, gathered."""
    name: str = ""

    def knows(self, *keys: str) -> None:
        for key in self.body:
            if key not in keys:
                self.refuse(key, f"unknown; known are {', '.join(keys)}")

    def refuse(self, key: str, why: str) -> None:
        place = f"[{self.name}] {key}" if self.name else key
        self.wrong.append(f"{place}: {why}")

    def text(self, key: str) -> str | None:
        value = self.body.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return None if value is None else value.strip()
        self.refuse(key, "must be a text")
        return None

    def texts(self, key: str) -> list[str]:
        value = self.body.get(key, [])
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return value
        self.refuse(key, "must be a list of texts")
        return []

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        value = self.body.get(key, default)
        if type(value) is int and least <= value <= most:
            return value
        self.refuse(key, f"must be a whole number from {least} to {most}")
        return default

    def table(self, key: str) -> "Section":
        value = self.body.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, "must be a table")
            value = {}
        return Section(value, self.wrong, f"{self.name}.{key}" if self.name else key)

    def file(self, key: str) -> Path | None:
        """A file that must be there and that not everybody may read."""
        text = self.text(key)
        return None if text is None else self.secret_file(key, text)

    def secret_file(self, key: str, text: str) -> Path | None:
        path = Path(text)
        why = unfit_secret(path)
        if why is not None:
            self.refuse(key, why)
        return None if why else path


def unfit_secret(path: Path) -> str | None:
    """Why this file cannot hold a secret; None where it can. On Windows its access list is the installer's business."""
    try:
        found = path.stat()
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    if not stat.S_ISREG(found.st_mode):
        return f"{path} is no file"
    if sys.platform != "win32" and found.st_mode & stat.S_IRWXO:
        return f"{path} may be read by everybody on this machine: chmod o= {path}"
    if found.st_size > MOST_SECRET_BYTES:
        return f"{path} is larger than {MOST_SECRET_BYTES} bytes"
    return None if os.access(path, os.R_OK) else f"{path} may not be read by this account"


def secret_in(path: Path) -> str:
    """The secret, without the line end that an editor leaves behind it. Raises OSError, UnicodeDecodeError."""
    return path.read_text("utf-8-sig").strip()
