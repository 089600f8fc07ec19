"""Opens the store that the setting names."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from bot.loopback import is_loopback
from bot.store import Refused, Store
from bot.store.sqlite import SqliteStore
from bot.store.tables import TableStore

SQLITE: Final = "sqlite:///"
TABLE: Final = "whysync"
EMULATED: Final = "devstoreaccount1"
EMULATOR_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The one that Microsoft publishes for every emulator; it opens nothing else."""

_HOST = re.compile(r"[a-z0-9]{3,24}\.table\.core\.windows\.net")
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")

FORMS: Final = (
    "STORE is sqlite:///PATH (sqlite:////var/lib/... for an absolute path), https://ACCOUNT.table.core.windows.net,"
    f" or a table emulator on this machine, http://127.0.0.1:PORT/{EMULATED}; a table's name may follow."
)


@asynccontextmanager
async def open_store(url: str, credential: AsyncTokenCredential | None = None) -> AsyncIterator[Store]:
    """Raises Refused for an address that is none, Damaged, and for SQLite Unavailable. The credential stays open."""
    if url.startswith(SQLITE):
        async with SqliteStore(_path(url)) as file:
            yield file
    else:
        async with TableStore(_client(url, credential)) as table:
            yield table


def _path(url: str) -> Path:
    name = url.removeprefix(SQLITE)
    if not name or name.endswith("/") or "\0" in name or "?" in name:
        raise Refused(FORMS)
    return Path(name)


def _client(url: str, credential: AsyncTokenCredential | None) -> TableClient:
    try:
        parts = urlsplit(url)
        emulated = parts.scheme == "http" and parts.port is not None and is_loopback(parts.hostname)
    except ValueError as error:
        raise Refused(FORMS) from error
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Refused(FORMS)
    return _emulator(parts) if emulated else _account(parts, credential)


def _emulator(parts: SplitResult) -> TableClient:
    account, _, table = parts.path.strip("/").partition("/")
    if account != EMULATED:
        raise Refused(FORMS)
    key = AzureNamedKeyCredential(EMULATED, EMULATOR_KEY)
    return _made(f"http://{parts.netloc}/{EMULATED}", table, key, env=False)


def _account(parts: SplitResult, credential: AsyncTokenCredential | None) -> TableClient:
    if parts.scheme != "https" or _HOST.fullmatch(parts.netloc) is None:
        raise Refused(FORMS)
    if credential is None:
        raise Refused("A store in Azure needs APP_CREDENTIAL: nobody else may read it.")
    return _made(f"https://{parts.netloc}", parts.path.strip("/"), credential, env=True)


def _made(
    endpoint: str, table: str, credential: AsyncTokenCredential | AzureNamedKeyCredential, *, env: bool
) -> TableClient:
    """The library tries nothing again by itself: what a second try means is judged by us. `env`: heed proxies."""
    name = table or TABLE
    if _TABLE.fullmatch(name) is None:
        raise Refused(FORMS)
    transport = AioHttpTransport(use_env_settings=env)
    return TableClient(
        endpoint, name, credential=credential, retry_total=0, permit_redirects=False, transport=transport
    )
