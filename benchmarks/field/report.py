"""The files of a run, and its place in the documentation."""

from __future__ import annotations

from pathlib import Path

from benchmarks.field.kinds import BY_NAME
from benchmarks.field.results import Results, medians
from benchmarks.field.svg import bar_chart

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "explanation" / "figures.md"
BEGIN, END = ("<!-- a run of benchmarks/field, size {}: " + place + " -->" for place in ("begin", "end"))
CHARTED = "M"  # the size whose charts are shown; of the others there are tables
DRAWN = ("project", "root", "wheel", "download_1", "upload_1", "start", "rss", "pip", "uv")


def report(results: Results) -> str:
    """The tables of a run, as Markdown."""
    return "\n\n".join([results.headline(), results.table(), results.ratios(), results.targets()])


def write_report(results: Results, out: Path) -> str:
    """Write results.json, report.md and the charts into a folder; returns the report."""
    text = report(results)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(results.to_json(), encoding="utf-8")
    (out / "report.md").write_text(text + "\n", encoding="utf-8")
    draw(results, out)
    return text


def draw(results: Results, folder: Path) -> list[str]:
    """A chart for each of the kinds that are drawn and were measured; their names."""
    names = []
    about = f"{results.about['date']}, {results.about['cores']} cores, size {results.size}"
    for name in DRAWN:
        values = {server: value for server, value in medians(results, name).items() if value > 0}
        if values:
            names.append(f"field-{name}.svg")
            (folder / names[-1]).write_text(bar_chart(BY_NAME[name], values, about), encoding="utf-8")
    return names


def put_into_docs(results: Results, docs: Path = DOCS) -> None:
    """Put the tables between the marks that the documentation's page has for this size, and the charts of size M beside its images.

    Raises ValueError without marks.
    """
    page = docs / "explanation" / "figures.md"
    drawn = draw(results, docs / "images") if results.size == CHARTED else []
    charts = "\n".join(f"![{BY_NAME[name[6:-4]].title.replace('`', '')}](../images/{name})\n" for name in drawn)
    page.write_text(between_marks(page.read_text(encoding="utf-8"), f"{report(results)}\n\n{charts}", results.size), encoding="utf-8")


def between_marks(text: str, new: str, size: str) -> str:
    """The text with what stands between the marks replaced. Raises ValueError where they are missing."""
    mark, end_mark = BEGIN.format(size), END.format(size)
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"the page has no place for tables: {mark} ... {end_mark}")
    return f"{before}{mark}\n\n{new.strip()}\n\n{end_mark}{after}"
