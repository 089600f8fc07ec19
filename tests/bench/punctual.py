"""The simulated Graph, each of whose calls takes the same time from its arrival on, whatever else is under way."""

import asyncio
from typing import Final

from aiohttp import web

from infra.local.graph import GraphServer

LATENCY: Final = 0.150


class PunctualGraph(GraphServer):
    """Answers at once, and keeps the answer back until it is due: its own work is no part of the figure."""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        due = asyncio.get_running_loop().time() + LATENCY
        response = await super()._serve(request)
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        return response
