"""Behind proxies of ours the address is the one that the outermost of them saw, whatever stands before it."""

import socket

import aiohttp
import pytest
from aiohttp import web

from bot.app import bound
from bot.remote import behind

STRANGER = "203.0.113.9"


async def seen(proxies: int, forwarded: list[str]) -> str:
    """The address and the body, as a handler behind the middleware has them."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.remote} {await request.text()} {request.match_info['name']}")

    app = web.Application(middlewares=[behind(proxies)])
    app.router.add_post("/{name}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    door: socket.socket = bound("127.0.0.1", 0)
    await web.SockSite(runner, door).start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{door.getsockname()[1]}/x",
                data="body",
                headers=[("X-Forwarded-For", each) for each in forwarded],
            ) as reply,
        ):
            return await reply.text()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, [STRANGER], "127.0.0.1"),
        (1, [STRANGER], STRANGER),
        (1, [f"10.0.0.1, {STRANGER}"], STRANGER),
        (1, ["10.0.0.1", STRANGER], STRANGER),
        (2, [f"10.0.0.1, {STRANGER}, 198.51.100.7"], STRANGER),
        (1, [], "127.0.0.1"),
        (1, [" , "], "127.0.0.1"),
        (2, ["10.0.0.1"], "127.0.0.1"),
    ],
)
async def test_the_address_is_what_our_outermost_proxy_saw(proxies: int, forwarded: list[str], address: str) -> None:
    assert await seen(proxies, forwarded) == f"{address} body x"
