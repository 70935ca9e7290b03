"""An archive of 10 MB that inflates to 10 GiB is refused in little memory, whatever it says of itself.

In a process of its own, whose memory is measured by the system. The time is printed with `pytest -s`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pywharf.testing.distributions import make_sdist, make_wheel

from ..corpus.bombs import BOMBS

pytestmark = pytest.mark.any_python

MIB = 1024**2

# Admits some honest files, so that what is loaded once is loaded, and then the one file.
ADMIT = """
import json, sys, time
from datetime import datetime, timezone
from pathlib import Path
from pywharf.errors import UploadRejected
from pywharf.repository.admission import admit_file

def peak():
    # Not ru_maxrss: that begins with what the process had that started this one.
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

*honest, suspect = map(Path, sys.argv[1:])
for path in honest:
    admit_file(path, path.name, datetime.now(timezone.utc))
before, began, reason = peak(), time.process_time(), ""
try:
    admit_file(suspect, suspect.name, datetime.now(timezone.utc))
except UploadRejected as error:
    reason = error.reason
print(json.dumps([reason, peak() - before, time.process_time() - began]))
"""


@pytest.fixture
def honest(tmp_path: Path) -> list[Path]:
    made = [make_wheel("demo", "2.0"), make_sdist("demo", "2.0"), make_sdist("demo", "2.0", suffix=".zip")]
    for distribution in made:
        (tmp_path / distribution.filename).write_bytes(distribution.data)
    return [tmp_path / distribution.filename for distribution in made]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is asked of Linux")
@pytest.mark.parametrize("name", BOMBS)
def test_what_inflates_to_ten_gigabytes_is_refused_in_little_memory(
    name: str, honest: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filename, make = BOMBS[name]
    path = tmp_path / filename
    path.write_bytes(make())
    assert 9 * MIB < path.stat().st_size < 13 * MIB

    command = [sys.executable, "-c", ADMIT, *map(str, honest), str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    reason, memory, cpu = json.loads(told)

    with capsys.disabled():
        print(f"\n{name}: {memory / MIB:.1f} MiB and {cpu:.2f} s of CPU until: {reason}")
    assert reason
    assert "damaged" not in reason, "the bomb itself is at fault"
    assert memory < 64 * MIB
