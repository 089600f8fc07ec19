"""The grounds a store can stand on, and one emulator for all tests of a run."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from bot.store import Store
from bot.store.opening import open_store
from infra.local.azurite import NotInstalled, azurite, command
from tests.store.model import Ground, ModelStore

Open = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens one more instance on the same ground."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def emulator() -> AsyncIterator[str]:
    try:
        command(0, Path())
    except NotInstalled as missing:
        pytest.skip(str(missing))
    async with azurite() as url:
        yield url


@pytest.fixture
def table(emulator: str) -> str:
    """The address of a table that nobody else uses."""
    return f"{emulator}/t{secrets.token_hex(8)}"


@pytest.fixture(params=["model", "sqlite", "azurite"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "model":
        ground = Ground()
        return lambda: _model(ground)
    address = request.getfixturevalue("table") if request.param == "azurite" else f"sqlite:///{tmp_path}/s.sqlite3"
    return lambda: open_store(address)


@pytest.fixture
async def store(opens: Open) -> AsyncIterator[Store]:
    async with opens() as one:
        yield one


@pytest.fixture
async def two(opens: Open) -> AsyncIterator[tuple[Store, Store]]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(opens()), await stack.enter_async_context(opens())


@asynccontextmanager
async def _model(ground: Ground) -> AsyncIterator[Store]:
    yield ModelStore(ground=ground)
