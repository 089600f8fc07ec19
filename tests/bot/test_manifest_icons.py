"""The icons that Teams is given are the drawings that are kept beside them."""

from io import BytesIO

import pytest
from PIL import Image, ImageChops

from bot.manifest import FOLDER
from bot.manifest_rules import SIDES
from infra.local.picture import browsing, chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium: install it, or run .ci/run, which does"),
]
SOFT_EDGE = 64
"""Of 255: so far may an edge's pixel differ from one browser to the next."""


async def test_each_png_shows_its_svg() -> None:
    drawn = {}
    async with browsing() as browser:
        for name, side in SIDES.items():
            page = await browser.new_page(viewport={"width": side, "height": side})
            svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
            await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
            drawn[name] = await page.screenshot(omit_background=True)
    for name, picture in drawn.items():
        with Image.open(BytesIO(picture)) as now, Image.open(FOLDER / f"{name}.png") as kept:
            assert now.size == kept.size
            difference = ImageChops.difference(now.convert("RGBa"), kept.convert("RGBa"))
        assert max(most for _, most in difference.getextrema()) <= SOFT_EDGE, f"draw {name}.png anew from {name}.svg"
