"""`python -m tests.budget [--renew]`: print what each kind of request takes, and with --renew make that the budget."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from budget import comparing, counting, instructions, tracing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.budget", description="What each kind of request takes, in counts.")
    parser.add_argument("--renew", action="store_true", help="make what is measured the budget; read the difference before you commit it")
    options = parser.parse_args()
    measured = counting.measure_apart()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for kind, counts in tracing.measure(Path(folder)).items():
                measured[kind].update(counts)
    except tracing.CannotTrace as reason:
        print(f"system calls are not counted, and stay as they are: {reason}")
    try:
        for kind, counts in instructions.measure().items():
            measured[kind].update(counts)
    except instructions.CannotCount as reason:
        print(f"instructions are not counted, and stay as they are: {reason}")
    budget = comparing.read() if comparing.BUDGET.exists() else {}
    for kind, counts in measured.items():
        for name, count in counts.items():
            allowed = budget.get(kind, {}).get(comparing.CALLS if name == "calls" else name)
            print(f"{kind:10} {comparing.MEANS[name]:40} {count:10.5g}   budget {allowed if allowed is None else format(allowed, 'g')}")
    if options.renew:
        comparing.BUDGET.write_text(comparing.renewed(measured, budget), encoding="utf-8")
        return 0
    found = comparing.excesses(measured, budget)
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
