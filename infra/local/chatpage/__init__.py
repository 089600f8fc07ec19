"""Serves the chat page: files of ours, Microsoft's renderer of Adaptive Cards, and what the page must know."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

HERE = Path(__file__).parent
RENDERER = HERE / "node_modules" / "adaptivecards" / "dist" / "adaptivecards.min.js"
"""Put there by `make setup`; without it the page shows the text twins of the cards."""
FILES: Final = {
    "/": HERE / "index.html",
    "/page/app.js": HERE / "app.js",
    "/page/cards.js": HERE / "cards.js",
    "/page/view.js": HERE / "view.js",
    "/page/style.css": HERE / "style.css",
    "/page/adaptivecards.js": RENDERER,
}
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def install(app: web.Application, setting: Mapping[str, Any]) -> None:
    """`setting` is what the page reads first: personas, places, what to ask."""

    async def told(_: web.Request) -> web.Response:
        return web.json_response(dict(setting), headers=HEADERS)

    for path in FILES:
        app.router.add_get(path, _file)
    app.router.add_get("/chat/setting", told)


async def _file(request: web.Request) -> web.StreamResponse:
    path = FILES[request.path]
    if not path.is_file():
        raise web.HTTPNotFound(text="Not installed: run make setup.")
    return web.FileResponse(path, headers=HEADERS)
