"""Pictures of the pages, for people who look at them: `python -m tests.browser.screenshots [FOLDER] [NAME ...]`.

FOLDER: docs/images by default. NAME: of pages, as `pages.py` has them, or `all`; those that the documentation shows by default.
Each is taken on a phone and at a desk, in light and in dark: `<name>-<width>-<scheme>.png`. They have few colours, so that all of
them together take little room in the repository. `tox -e screenshots` has what this needs.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from PIL import Image

from pywharf.testing.live_server import LiveServer

from .chromium import running_chromium
from .pages import ANSWERS, PAGES, PICTURED, cookies_of_all, reach
from .stock import fill
from .visitor import DESK, PHONE, SCHEMES, Visitor, visiting

ADDRESS = "https://packages.quay.example/"  # what the pages say in the place of a port of this machine
TALLEST = 2400  # CSS pixels; what is below is cut off
COLOURS = 96
PLAIN = 8  # of them, those that are used most
APART = 200  # how far the others are from each other at least, squared


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0] if arguments else "docs/images")
    wanted = set(arguments[1:]) or set(PICTURED)
    pages = [page for page in (*PAGES, *ANSWERS) if page.name in wanted or wanted == {"all"}]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        server = LiveServer(Path(root, "root"), options=["--public_url", ADDRESS])
        with server, running_chromium() as browser:
            fill(server)
            cookies = cookies_of_all(browser, server)
            for page in pages:
                for size, scheme in product((PHONE, DESK), SCHEMES):
                    with visiting(browser, server.url, size=size, scheme=scheme, cookies=cookies[page.who], check=False) as visitor:
                        reach(visitor, page)
                        path = folder / f"{page.name}-{size[0]}-{scheme}.png"
                        photograph(visitor, path)
                        print(path)


def photograph(visitor: Visitor, path: Path) -> None:
    """Of the whole page, and at least of the whole screen."""
    width, height = visitor.page.evaluate("() => [innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(TALLEST, height)}
    taken = visitor.page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")
    with Image.open(io.BytesIO(taken)) as image:
        with_few_colours(image.convert("RGB")).save(path, "PNG", optimize=True)


def with_few_colours(image: Image.Image) -> Image.Image:
    """The same in few colours. Those of areas stay exactly what they are: Pillow's own ways make one of white and of nearly white."""
    by_use = [colour for _, colour in sorted(image.getcolors(image.width * image.height) or [], reverse=True)]
    kept = by_use[:PLAIN]
    for colour in by_use[PLAIN:]:
        if len(kept) < COLOURS and min(_distance(colour, other) for other in kept) > APART:
            kept.append(colour)
    places = {colour: min(range(len(kept)), key=lambda at, colour=colour: _distance(colour, kept[at])) for colour in by_use}
    few = Image.frombytes("P", image.size, bytes(map(places.__getitem__, image.getdata())))
    few.putpalette([channel for colour in kept for channel in colour])
    return few


def _distance(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    main(sys.argv[1:])
