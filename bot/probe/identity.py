"""Who this probe is: its key and what it pinned at enrolment, in a folder that only its account can read."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.probe.section import unfit_secret
from bot.relay.application import RelayNames
from bot.relay.envelope import FleetKeys, PrivateKey, PublicKey, b64, unb64
from bot.relay.wire import MalformedError, ProbeIdentity, load

FILE: Final = "identity.json"
NEXT: Final = "identity.next"
LOCK: Final = "lock"


class StateError(Exception):
    """The folder cannot be used; the text is a sentence for the administrator."""


@dataclass(frozen=True)
class Identity:
    who: ProbeIdentity
    key: PrivateKey
    fleet: FleetKeys
    relay: RelayNames
    url: str
    """The bot's public address."""
    floor: str = "0"
    """The oldest version of this program that is given commands."""


def default_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("ProgramData", r"C:\ProgramData"), "WhySync", "Probe")  # noqa: SIM112
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "whysync-probe")


@dataclass(frozen=True)
class State:
    """Reads and writes files: call it in a thread, or where nothing else runs yet."""

    folder: Path

    def load(self) -> Identity:
        """Raises StateError."""
        path = self.folder / FILE
        if not path.exists():
            raise StateError(f"This server is not enrolled ({path} is not there): whysync probe enrol TOKEN")
        why = unfit_secret(path)
        if why is not None:
            raise StateError(f"The identity cannot be used: {why}")
        try:
            return _identity(load(path.read_bytes()))
        except (OSError, MalformedError, KeyError, TypeError) as error:
            raise StateError(f"{path} is damaged ({type(error).__name__}); enrol this server again") from error

    def prepare(self) -> None:
        """Finds out whether a new identity could be kept, before a token is spent on one. Raises StateError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(b"")
            (self.folder / NEXT).unlink()
        except OSError as error:
            raise StateError(f"{self.folder} cannot be written to: {error.strerror or error}") from error

    def save(self, identity: Identity) -> None:
        """All or nothing: until the new one stands, the old one does. Raises StateError."""
        try:
            self._write(json.dumps(_document(identity), indent=1).encode())
            (self.folder / NEXT).replace(self.folder / FILE)
        except OSError as error:
            raise StateError(f"{self.folder} cannot be written to: {error.strerror or error}") from error

    def _write(self, content: bytes) -> None:
        path = self.folder / NEXT
        path.unlink(missing_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Two programs with one identity would push each other off. Raises StateError."""
        try:
            with (self.folder / LOCK).open("a+b") as file:
                _lock(file.fileno())
                yield
        except BlockingIOError as error:
            raise StateError(f"A probe with the state of {self.folder} is running already.") from error


def _document(it: Identity) -> dict[str, Any]:
    fleet = {"current": it.fleet.current.text, "next": it.fleet.next and it.fleet.next.text, "since": it.fleet.since}
    relay = {"namespace": it.relay.namespace, "request": it.relay.request, "reply": it.relay.reply}
    who = {"tenant": it.who.tenant, "probe": it.who.probe, "gen": it.who.gen}
    return {"v": 1, **who, "key": b64(it.key.seed), "fleet": fleet, "relay": relay, "url": it.url, "floor": it.floor}


def _identity(it: Mapping[str, Any]) -> Identity:
    if it["v"] != 1:
        raise MalformedError("other-version")
    fleet, relay = it["fleet"], it["relay"]
    following = None if fleet["next"] is None else PublicKey.from_text(fleet["next"])
    return Identity(
        ProbeIdentity(it["tenant"], it["probe"], it["gen"]),
        PrivateKey(unb64(it["key"])),
        FleetKeys(PublicKey.from_text(fleet["current"]), following, int(fleet["since"])),
        RelayNames(relay["namespace"], relay["request"], relay["reply"]),
        it["url"],
        it["floor"],
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
