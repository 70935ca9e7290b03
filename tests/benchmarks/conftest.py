"""The benchmarks are no part of the installed package: they are found in the checkout, behind everything that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).parent.parent.parent)

if ROOT not in sys.path:
    sys.path.append(ROOT)
