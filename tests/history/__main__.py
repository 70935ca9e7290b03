"""`python -m tests.history`: clients, a nemesis, and a check of everything that was answered. Ends with 1 where a rule was broken."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from .run import SLACK, Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of what is done; not of when it happens")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--kills_every", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--kills", type=int, help="go on until so many were killed, however long it takes")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="of a client between two operations, at most")
    parser.add_argument("--slack", type=float, default=SLACK, metavar="SECONDS", help="how late another ROOT may be, beyond its interval")
    parser.add_argument("--workers", type=int, default=2, help="of each server")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: a temporary folder, removed at the end)")
    parser.add_argument("--record", type=Path, help="where to write the history of a round that broke a rule, as JSON lines")
    given = vars(parser.parse_args())
    folder, record = given.pop("folder"), given.pop("record")
    plan = Plan(**given)
    print(f"seed {plan.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        outcome = run(plan, folder or Path(temporary) / "history", tell=lambda line: print(line, flush=True), record=record)
    print(outcome.summary)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
