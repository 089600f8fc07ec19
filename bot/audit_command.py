"""`whysync audit`: says whether the record of what was done is whole, and writes it out."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential

from bot.approving import Busy
from bot.audit import exported
from bot.audit_chain import Export, Flaw, Verified, read, verify
from bot.relay.envelope import PublicKey
from bot.relay.signing_key import SigningKeyError, signing_key
from bot.relay.wire import MalformedError
from bot.settings import Settings
from bot.store import StoreError
from bot.store.opening import SQLITE, open_store

WHOLE: Final = 0
FLAWED: Final = 1
NO_KEY: Final = "No checkpoint was checked: name the key that signed them with --key, or WHYSYNC_SIGNING_KEY."


class AuditRefused(Exception):  # noqa: N818  # reads as what it says
    """It could not be looked at; the text says why."""


async def run(settings: Settings, *, export: bool, files: Sequence[Path], keys: Sequence[str]) -> int:
    """The exit code. Raises AuditRefused."""
    credential = _credential(settings)
    try:
        if export:
            sys.stdout.buffer.write(await _stored(settings, credential))
            return WHOLE
        data = b"".join([await _file(path) for path in files]) if files else await _stored(settings, credential)
        return _told(await _checked(read(data), await _keys(settings, credential, keys)))
    finally:
        if credential:
            await credential.close()


def _credential(settings: Settings) -> AsyncTokenCredential | None:
    in_azure = settings.store.startswith("https://") or (settings.signing_key or "").startswith("https://")
    if not in_azure:
        return None
    from bot.credentials import credential_of  # here, so that a file is looked at without all that serves

    return credential_of(settings)


async def _stored(settings: Settings, credential: AsyncTokenCredential | None) -> bytes:
    path = Path(settings.store.removeprefix(SQLITE))
    if settings.store.startswith(SQLITE) and not await asyncio.to_thread(path.is_file):
        raise AuditRefused(f"There is no store at {path}.")
    try:
        async with open_store(settings.store, credential) as store:
            return "".join([f"{line}\n" async for line in exported(store)]).encode()
    except StoreError as error:
        raise AuditRefused(error.reason) from error
    except Busy as error:
        raise AuditRefused(str(error)) from error


async def _file(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise AuditRefused(f"{path} cannot be read: {error.strerror}.") from error


async def _keys(
    settings: Settings, credential: AsyncTokenCredential | None, named: Sequence[str]
) -> Mapping[str, PublicKey]:
    try:
        keys = [PublicKey.from_text(text) for text in named]
    except MalformedError as error:
        raise AuditRefused("--key: no public key; it is 43 letters and digits.") from error
    if settings.signing_key and not named:
        try:
            keys.append((await signing_key(settings.signing_key, credential, local=settings.local)).public)
        except SigningKeyError as error:
            raise AuditRefused(error.reason) from error
    return {key.kid: key for key in keys}


async def _checked(export: Export, keys: Mapping[str, PublicKey]) -> tuple[Verified, bool]:
    """Verified, and whether there was a key. Without one, the chains alone are looked at."""
    if not keys:
        export.checkpoints.clear()
    return await asyncio.to_thread(verify, export, keys), bool(keys)


def _told(looked: tuple[Verified, bool]) -> int:
    found, signed = looked
    for each in found.findings:
        where = "" if each.flaw is Flaw.UNREADABLE or not each.chain else f"chain {each.chain}, record {each.n}: "
        sys.stdout.write(f"{each.flaw}: {where}{each.says}\n")
    counts = f"{found.records} records in {found.chains} chains, {found.checkpoints} checkpoints"
    sys.stdout.write(f"{counts}: {'not whole' if found.findings else 'whole'}.\n")
    if not signed:
        sys.stdout.write(f"{NO_KEY}\n")
    elif not found.checkpoints:
        sys.stdout.write("There is no checkpoint, so nobody can say whether the end is missing.\n")
    return FLAWED if found.findings else WHOLE
