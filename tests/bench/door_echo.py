"""The bot's own body doing what the bare Node echo does and no more: `python -m tests.bench.door_echo`.

One activity in, checked; the same words back. What the whole bot's turn costs beyond that is its knowledge.
"""

import asyncio
import os
import socket

import aiohttp
from aiohttp import web

from bot.clock import SystemClock
from bot.connector import ConnectorClient
from bot.connector_token import StaticToken
from bot.door import RUNNER_OPTIONS, Door
from bot.ending import until_told
from bot.inbound import ServiceUrls, TokenGate
from bot.signing_keys import KeySet
from bot.teams import TeamsAdapter
from bot.turns import Card, Joined, Outlet, Pressed, Removed, Said
from tests.memory_references import MemoryReferences


class Echo:
    async def said(self, said: Said, outlet: Outlet) -> None:
        await outlet.send(said.place, None, said.text)

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        raise NotImplementedError

    async def joined(self, joined: Joined, outlet: Outlet) -> None:
        raise NotImplementedError

    async def removed(self, removed: Removed) -> None:
        raise NotImplementedError


async def serve() -> None:
    clock, urls = SystemClock(), ServiceUrls(local=True)
    async with (
        aiohttp.ClientSession() as session,
        KeySet(session, os.environ["OPENID_URL"], clock) as keys,
    ):
        gate = TokenGate(os.environ["APP_ID"], frozenset({os.environ["TENANT_ID"]}), urls, clock, keys)
        connector = ConnectorClient(session, StaticToken(os.environ["CONNECTOR_TOKEN"]), clock, urls)
        app = web.Application()
        Door(gate, TeamsAdapter(Echo(), connector, MemoryReferences()), clock).install(app)
        runner = web.AppRunner(app, access_log=None, **RUNNER_OPTIONS)
        await runner.setup()
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(("127.0.0.1", int(os.environ["PORT"])))
            await web.SockSite(runner, door).start()
            await until_told()
            await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
