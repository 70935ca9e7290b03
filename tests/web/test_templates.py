"""Rules that all templates and the style sheet keep."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

FOLDER = Path(str(files("pywharf.web")))
TEMPLATES = sorted((FOLDER / "templates").glob("*.tpl"))
SHEET = (FOLDER / "static" / "pywharf.css").read_text(encoding="utf-8")


def test_everything_is_escaped_but_the_frames_content_and_a_readme_that_was_cleaned() -> None:
    found = [(path.name, match) for path in TEMPLATES for match in re.findall(r"\{\{!.*?\}\}", path.read_text(encoding="utf-8"))]

    assert sorted(found) == [("base.tpl", "{{!base}}"), ("release.tpl", "{{!readme}}")]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_script_no_style_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace('<script src="{{static(script)}}" nonce="{{nonce}}" defer></script>\n', "")

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|https?:|//\w|<img|<iframe|<%", text)
    assert "print(" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_value_in_an_attribute_stands_in_quotes(path: Path) -> None:
    assert not re.search(r"=\{\{", path.read_text(encoding="utf-8"))


def test_the_one_script_stands_in_the_frame_and_one_page_asks_for_it() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES}

    assert [name for name, text in texts.items() if "<script" in text] == ["base.tpl"]
    assert {name: re.findall(r'script="([^"]*)"', text) for name, text in texts.items() if "script=" in text} == {
        "projects.tpl": ["search.js"]
    }
    assert [path.name for path in (FOLDER / "static").glob("*.js")] == ["search.js"]


def test_the_script_writes_no_html_and_makes_no_code_of_text() -> None:
    script = (FOLDER / "static" / "search.js").read_text(encoding="utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function|setTimeout\(\s*[\"'`]|https?:|//\w", script)


def test_the_sheet_loads_nothing() -> None:
    assert not re.search(r"@import|url\(|https?:|expression\(|@font-face", SHEET)


# --- contrast: WCAG 2.2, 1.4.3 (text: at least 4.5 to 1) --------------------------------------------------------------

PAIRS = [
    *((ink, paper) for ink in ("ink", "soft", "accent", "bad", "warn", "good") for paper in ("paper", "card")),
    *(
        (ink, "tint")
        for ink in ("ink", "accent", "code-soft", "code-word", "code-type", "code-name", "code-text", "code-number", "bad", "good")
    ),
    *((name, f"{name}-tint") for name in ("warn", "bad", "good")),
    *(("ink", f"{name}-tint") for name in ("warn", "bad", "good")),
    ("accent-ink", "accent"),
]


def colours(dark: bool) -> dict[str, str]:
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", SHEET.split("@media (prefers-color-scheme: dark)")[0]))
    if not dark:
        return light
    block = SHEET.split("@media (prefers-color-scheme: dark)")[1].split("\n}\n")[0]
    return {**light, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))}


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), PAIRS, ids=lambda name: str(name))
def test_text_can_be_told_from_what_it_stands_on(ink: str, paper: str, dark: bool) -> None:
    found = colours(dark)
    lighter, darker = sorted((luminance(found[ink]), luminance(found[paper])), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
