"""Networks of their own for domain controllers, so that fixed ports stand in nobody's way. Takes root."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

BRIDGE, SUBNET = "wsbr", "10.213.77"
LOCK: Final = Path(tempfile.gettempdir(), "whysync-samba.lock")
WAITING_S: Final = 300.0
NAMESPACES: Final = Path("/etc/netns")


class NetworkError(Exception):
    """This machine does not let us have a network of our own."""


def path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@contextmanager
def alone() -> Iterator[None]:
    """Fixed ports, addresses and names: whoever comes second waits, but not for ever. Raises NetworkError."""
    until = time.monotonic() + WAITING_S
    with LOCK.open("w") as lock:
        while not _taken(lock):
            if time.monotonic() > until:
                raise NetworkError(f"another test domain has been running for {WAITING_S:.0f} seconds ({LOCK})")
            time.sleep(0.2)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def bridged() -> bool:
    """Whether this machine lets us have networks of our own."""
    if not shutil.which("ip", path=path()):
        return False
    cleared()
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        namespace("wsdc0", 0, "invalid")
    except NetworkError:
        cleared()
        return False
    _dropped("wsdc0")
    return True


def namespace(name: str, number: int, realm: str) -> None:
    """Raises NetworkError."""
    _ip("netns", "add", name)
    _ip("link", "add", f"wsv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", f"wsv{number}", "master", BRIDGE, "up")
    _ip("-n", name, "addr", "add", f"{SUBNET}.{10 + number}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")
    own = NAMESPACES / name
    own.mkdir(parents=True, exist_ok=True)
    names = (f"{SUBNET}.{10 + n} dc{n}.{realm} dc{n}\n" for n in range(1, 5))
    (own / "hosts").write_text(f"127.0.0.1 localhost\n{''.join(names)}")
    (own / "resolv.conf").write_text(f"nameserver {SUBNET}.1\n")


def cleared() -> None:
    """Nothing of ours is left, also not of a run that was killed."""
    if not shutil.which("ip", path=path()):
        return
    for number in range(5):
        _dropped(f"wsdc{number}")
    for link in (*(f"wsv{number}" for number in range(5)), BRIDGE):
        with contextlib.suppress(NetworkError):
            _ip("link", "del", link)


def _dropped(name: str) -> None:
    with contextlib.suppress(NetworkError):
        _ip("netns", "del", name)
    shutil.rmtree(NAMESPACES / name, ignore_errors=True)


def _ip(*words: str) -> None:
    program = shutil.which("ip", path=path()) or "ip"
    done = subprocess.run(  # noqa: S603  # words of this file only
        [program, *words], capture_output=True, timeout=10, check=False, text=True
    )
    if done.returncode:
        raise NetworkError(f"ip {' '.join(words)}: {done.stderr.strip()}")
