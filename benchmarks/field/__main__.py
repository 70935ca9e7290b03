"""Compare pywharf with other package servers, and with the bare stack it stands on, in one run on this machine.

    python -m benchmarks.field [--quick] [--size S|M|L|XL] [--only KIND,...] [--alone] [--out FOLDER] [--docs]

Peers are installed into environments below FOLDER, and what they are filled with is kept there, so that only the first run
takes long. Prints a table of medians, ratios, and what was to be reached; writes results.json, report.md and charts to FOLDER.
--docs also puts the charts and the tables into docs/. Needs nginx, wrk, git and strace from the system, or leaves out what they are
for. Packages in git are compared at sizes S and M: with more the column is left out. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.field.columns import QUICK, WHOLE
from benchmarks.field.comparison import Comparison, work_folder
from benchmarks.field.corpora import SIZES
from benchmarks.field.kinds import KINDS, chosen
from benchmarks.field.processes import Failed
from benchmarks.field.report import put_into_docs, write_report
from benchmarks.field.results import Results, describe
from benchmarks.field.tools import HINT, find_tools

DEFAULT_OUT = Path("build") / "field"


def main() -> int:
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks.field", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--quick", action="store_true", help="about five minutes once all is installed and filled")
    arguments.add_argument("--size", choices=SIZES, default="M", help="files: S 100, M 22,000, L 200,000, XL 1,000,000; default M")
    arguments.add_argument("--only", metavar="KIND,...", help=f"of {', '.join(kind.name for kind in KINDS)}")
    arguments.add_argument("--alone", action="store_true", help="pywharf and the bare stack only; always so with --size XL")
    arguments.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="FOLDER", help=f"default {DEFAULT_OUT}")
    arguments.add_argument("--docs", action="store_true", help="put the charts and the tables into docs/")
    given = arguments.parse_args()
    try:
        kinds = chosen(given.only)
    except ValueError as error:
        arguments.error(str(error))
    out: Path = given.out.absolute()
    tools = find_tools(out / "cache" / "venvs")
    if tools.missing:
        print(f"not installed, so without what needs it: {', '.join(tools.missing)} ({HINT})", file=sys.stderr)
    began = time.perf_counter()
    results = Results(given.size)
    load = os.getloadavg()[0]
    effort = QUICK if given.quick else WHOLE
    failed = 0
    try:
        with work_folder(out) as work:
            Comparison(given.size, kinds, effort, out / "cache", work, tools, results, alone=given.alone).run()
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"field: ended early: {error}", file=sys.stderr)
        failed = 1  # what was measured until then is worth keeping
    took = time.perf_counter() - began
    about = describe(tools, f"{'--quick' if given.quick else 'whole'}, {effort.rounds} rounds")
    results.about = {**about, "load": load, "load_after": os.getloadavg()[0], "seconds": round(took)}
    if not results.measured:
        print("field: nothing was measured", file=sys.stderr)
        return 1
    print(write_report(results, out))
    print(f"\nTook {took:.0f} s. Everything that was measured: {out / 'results.json'}", file=sys.stderr)
    if given.docs and not failed:
        put_into_docs(results)
    return failed


if __name__ == "__main__":
    sys.exit(main())
