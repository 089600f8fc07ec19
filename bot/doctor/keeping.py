"""The store, tried by a write and a read, and the audit in it: how far it has been signed, and since when not."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from bot.audit import CHAINS_PK, HEAD, NS
from bot.clock import Clock
from bot.doctor.findings import Group, Item, Line
from bot.doctor.signing_in import MakeCredential
from bot.settings import Settings
from bot.store import Store, StoreError, Unavailable, Write
from bot.store.opening import SQLITE, open_store

STORE: Final = Item("store", Group.STORE, "Store")
AUDIT: Final = Item("audit", Group.STORE, "Audit checkpoints")
FORGETS: Final = "approvals, probes, buttons and the audit cannot be kept: nothing can be changed or approved"
UNSIGNED: Final = "if the end of the audit were cut off or written anew, nobody could prove it"
OLDEST_UNSIGNED: Final = timedelta(minutes=15)


class NoStoreYet(StoreError):  # noqa: N818  # reads as what it says
    """There is no file, and it can be made: the bot has not run yet."""


@asynccontextmanager
async def store_of(settings: Settings, make: MakeCredential, running: Store | None) -> AsyncIterator[Store]:
    """The running bot's own, or one of ours. Raises StoreError."""
    if running is not None:
        yield running
        return
    _made_already(settings.store)
    async with AsyncExitStack() as stack:
        in_azure = settings.store.startswith("https://")
        credential = await stack.enter_async_context(make(settings)) if in_azure else None
        yield await stack.enter_async_context(open_store(settings.store, credential))


def _made_already(url: str) -> None:
    """A look makes no file. Raises StoreError."""
    path = Path(url.removeprefix(SQLITE))
    if not url.startswith(SQLITE) or path.exists():
        return
    if not path.parent.is_dir():
        raise Unavailable(f"There is no folder {path.parent}.")
    raise NoStoreYet(f"There is no file {path} yet; the bot makes it when it first starts.")


async def store(settings: Settings, make: MakeCredential, running: Store | None, clock: Clock) -> Sequence[Line]:
    engine = _engine(settings.store)
    try:
        async with store_of(settings, make, running) as kept:
            began = clock.monotonic()
            await _write_and_read(kept)
            took = (clock.monotonic() - began) * 1000
    except NoStoreYet as error:
        return [STORE.degraded(error.reason, "nothing has been kept so far", "Start the bot: whysync serve")]
    except StoreError as error:
        return [STORE.missing(f"{engine}: {error.reason}", FORGETS, _fix(settings.store))]
    return [STORE.ok(f"{engine}: a row was written, read and deleted in {took:.0f} ms.")]


async def _write_and_read(kept: Store) -> None:
    """In a row of its own. Raises StoreError."""
    row = f"doctor-{token_hex(8)}"
    written = await kept.put("health", "ready", [Write(row, {"at": row})])
    back = await kept.get("health", "ready", row)
    await kept.put("health", "ready", [Write(row, None, written[0])])
    if back is None or back.value != {"at": row}:
        raise Unavailable("What was written could not be read back.")


def _engine(url: str) -> str:
    if url.startswith(SQLITE):
        return f"SQLite file {url.removeprefix(SQLITE)}"
    return "Azure Table Storage" if url.startswith("https://") else "Table emulator"


def _fix(url: str) -> str:
    if url.startswith(SQLITE):
        path = url.removeprefix(SQLITE)
        return f"Let the bot's account write to {path} and to its folder: chown and chmod u+rw, and free disk space."
    if url.startswith("https://"):
        return (
            "Azure portal > the storage account > Access control (IAM): give the bot's identity the role Storage Table"
            " Data Contributor, and see that Networking lets it in."
        )
    return f"Start the emulator that WHYSYNC_STORE names: {url}"


async def audit(settings: Settings, make: MakeCredential, running: Store | None, clock: Clock) -> Sequence[Line]:
    try:
        async with store_of(settings, make, running) as kept:
            return [await _audit(kept, clock, signed=settings.signing_key is not None)]
    except StoreError as error:
        return [AUDIT.degraded(f"It could not be looked at. {error.reason}", UNSIGNED, "See the line of the store.")]


async def _audit(kept: Store, clock: Clock, *, signed: bool) -> Line:
    chains, _ = await kept.scan(NS, CHAINS_PK)
    heads = {chain.rk: await _head(kept, chain.rk) for chain in chains}
    if not any(heads.values()):
        return AUDIT.ok("Nothing has been recorded yet.")
    records = f"{sum(heads.values())} records"
    if not signed:
        fix = "Set WHYSYNC_SIGNING_KEY (docs/settings.md); the bot then signs how far the audit has come."
        return AUDIT.degraded(f"{records}, and no key to sign them with.", UNSIGNED, fix)
    since = [await _unsigned_since(kept, chain, head) for chain, head in heads.items() if head]
    oldest = min((each for each in since if each), default=None)
    if oldest and clock.now() - oldest > OLDEST_UNSIGNED:
        told = f"{records}; since {oldest:%d %b %H:%M} UTC none was signed."
        return AUDIT.degraded(told, UNSIGNED, "See that the bot runs (whysync serve): it signs every five minutes.")
    newest = [at for at in [await _signed_at(kept, chain, head) for chain, head in heads.items()] if at]
    return AUDIT.ok(f"{records}; last signed {max(newest):%d %b %H:%M} UTC." if newest else f"{records}, just now.")


async def _head(kept: Store, chain: str) -> int:
    row = await kept.get(NS, chain, HEAD)
    return int(row.value["n"]) if row else 0


async def _last_checkpoint(kept: Store, chain: str, head: int) -> tuple[int, dict[str, Any]]:
    """How far the newest one of the last thousand records goes, and what it says."""
    rows, _ = await kept.scan(NS, chain, f"cp-{max(0, head - 999):012d}", "cp-~", limit=1000)
    if not rows:
        return 0, {}
    payload = str(rows[-1].value["signed"]).split(".")[1]
    body = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(body["n"]), body


async def _unsigned_since(kept: Store, chain: str, head: int) -> datetime | None:
    upto, _ = await _last_checkpoint(kept, chain, head)
    row = await kept.get(NS, chain, f"{max(upto, head - 999) + 1:012d}") if upto < head else None
    return datetime.fromisoformat(json.loads(str(row.value["text"]))["ts"]) if row else None


async def _signed_at(kept: Store, chain: str, head: int) -> datetime | None:
    _, body = await _last_checkpoint(kept, chain, head)
    return datetime.fromisoformat(str(body["ts"])) if body else None
