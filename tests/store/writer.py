"""A process of its own that writes to a SQLite store and says what was acknowledged; started and killed by tests.

python writer.py FILE race ROUNDS        counts one row up, so many times
python writer.py FILE append NAME        writes rows for ever, and prints each that is surely there
python writer.py FILE read-only          as somebody who may only read
python writer.py FILE full BYTES         on a disk that takes no file longer than this
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bot.store import Conflict, StoreError, Write
from bot.store.sqlite import SqliteStore

NOBODY = 65534


async def race(store: SqliteStore, rounds: str) -> None:
    """Counts one row up, and says each number that it has written and each race that it has lost."""
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    won = 0
    while won < int(rounds):
        row = await store.get("ns", "p", "k")
        number = row.value["n"] + 1 if row else 0
        await asyncio.sleep(0)
        try:
            await store.put("ns", "p", [Write("k", {"n": number}, row.etag if row else None)])
            won += 1
            say(number)
        except Conflict:
            say("lost")


async def append(store: SqliteStore, name: str) -> None:
    for number in range(1_000_000):
        await store.put("ns", name, [Write(f"{number:06}", {"n": number}), Write(f"{number:06}.twin", {"n": number})])
        say(number)


async def read_only(store: SqliteStore) -> None:
    row = await store.get("ns", "p", "k")
    say("read", row.value if row else None)
    await refused(store, Write("k", {"n": 2}, row.etag if row else None))
    say("read", [row.value for row in (await store.scan("ns", "p"))[0]])


async def full(store: SqliteStore, _: str) -> None:
    for number in range(1_000):
        if await refused(store, Write(f"{number:04}", {"v": "x" * 10_000})):
            break
    rows, _token = await store.scan("ns", "p")
    say("rows", len(rows) == number, number > 0)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def refused(store: SqliteStore, write: Write) -> bool:
    try:
        await store.put("ns", "p", [write])
    except StoreError as error:
        say(type(error).__name__, error.reason)
        return True
    return False


async def main(file: str, what: str, *rest: str) -> None:
    if what == "read-only" and os.geteuid() == 0:
        "".encode("utf-16-le")  # nobody may not even read Python's own files, where it is installed for root
        os.setuid(NOBODY)
    if what == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[0]), int(rest[0])))
    async with SqliteStore(Path(file)) as store:
        await {"race": race, "append": append, "read-only": read_only, "full": full}[what](store, *rest)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
