"""Who really knocks, where a proxy of ours stands before the door: else a limit by address hits everybody at once."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

FORWARDED: Final = "X-Forwarded-For"


def behind(proxies: int) -> Middleware:
    """Each proxy appends the address that it sees; what stands before those of our own, anybody may have written."""

    @web.middleware
    async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
        told = ",".join(request.headers.getall(FORWARDED, ())).split(",")
        hops = [each.strip() for each in told if each.strip()]
        if proxies and len(hops) >= proxies:
            request = request.clone(remote=hops[-proxies])
        return await handler(request)

    return named
