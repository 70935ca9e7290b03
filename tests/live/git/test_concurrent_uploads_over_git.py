"""Eight writers on two servers at once: what was acknowledged is on the branch, whole, once, and nobody ever forced a push.

The large size is `pytest -m slow -s tests/live/git`; it and the figures are in the reference.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from live.git.served import Client, Served, by_name, expect

from pywharf.testing.distributions import Distribution, make_wheel

WRITERS = 8
SEVERAL = 8  # tokens: one for each writer
PATIENCE = 600.0  # seconds for one upload, with all that it is told to come again


def wheels_of(writer: int, number: int) -> list[Distribution]:
    """Two writers share a project, so that they meet."""
    return [make_wheel(f"project{writer // 2}", f"{writer}.{at}", files={"x.py": f"x = {at}"}) for at in range(number)]


def upload_all(client: Client, wheels: Sequence[Distribution]) -> Counter[int]:
    """Upload each until it is acknowledged. What was answered, counted by status."""
    told: Counter[int] = Counter()
    for wheel in wheels:
        end = time.monotonic() + PATIENCE
        while True:
            answer = client.upload(wheel)
            told[answer.status] += 1
            if answer.status == 200:
                break
            expect(503, answer)  # "come again", and nothing else
            assert answer.retry_after is not None
            assert time.monotonic() < end, answer.text
            time.sleep(answer.retry_after)
    return told


ROOTS = {"one-root": 1, "two-roots": 2}
TOKENS = {"one-token": 1, "a-token-each": SEVERAL}
SIZES = {"8-files": (8, 0.0), "50-files": (50, 0.0), "6-files-at-the-default-pace": (6, 2.0)}  # of each writer, and min_push_interval
ORDINARY = {("8-files", "one-token", "one-root"), ("8-files", "a-token-each", "two-roots")}

CASES = [
    pytest.param(
        ROOTS[root], TOKENS[token], *SIZES[size],
        id=f"{size}-{token}-{root}", marks=pytest.mark.live if (size, token, root) in ORDINARY else pytest.mark.slow,
    )
    for size, token, root in itertools.product(SIZES, TOKENS, ROOTS)
]  # fmt: skip


@pytest.mark.parametrize(("roots", "tokens", "files", "interval"), CASES)
def test_none_of_eight_writers_files_is_lost(
    served: Served, roots: int, tokens: int, files: int, interval: float, capsys: pytest.CaptureFixture[str]
) -> None:
    served.settings["min_push_interval"] = interval
    granted = served.grant_writers(tokens)
    work = [wheels_of(writer, files) for writer in range(WRITERS)]
    everything = by_name(itertools.chain(*work))
    with ExitStack() as stack:
        servers = [stack.enter_context(served.server(f"root-{which % roots}")) for which in range(2)]
        clients = [served.client(servers[writer % 2], granted[writer % tokens]) for writer in range(WRITERS)]
        began = time.perf_counter()
        with ThreadPoolExecutor(WRITERS) as pool:
            told = sum(pool.map(upload_all, clients, work), Counter())
        took = time.perf_counter() - began

        late = stack.enter_context(served.server("late"))  # on an empty ROOT: sees what is really there
        reader = served.client(late, served.reader)
        assert reader.files() == everything
        for wheel in (one[-1] for one in work):
            reader.check_file(wheel)
        for client in clients[:roots]:  # those who took part see their own at once, and all of them before long
            assert by_name(work[clients.index(client)]).items() <= client.files().items()

    assert served.files() == everything
    subjects = served.check_history()
    assert len(subjects) == len(set(subjects)) == WRITERS * files
    with capsys.disabled():
        print(
            f"\n{WRITERS} writers, {tokens} token(s), 2 servers on {roots} ROOT(s), min_push_interval {interval:g} s: {WRITERS * files} files "
            f"in {took:.1f} s, {WRITERS * files / took:.1f} files/s, {len(subjects)} commits in {served.moves()} pushes, "
            f"told to come again {told[503]} times"
        )
