"""Attack our server and a plain one, and print what came of it.

    python -m tests.attacks                      all of it: half an hour
    python -m tests.attacks --quick              little of everything: two minutes
    python -m tests.attacks framing [--cases]    requests that can be read in two ways
    python -m tests.attacks hostile              clients that mean no good
    python -m tests.attacks hostile --only mute,drip_head --servers ours -- --numthreads 8

Words behind `--` are options of our server. The plain one is Bottle on Cheroot as they come, started anew for each attack.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from subprocess import CalledProcessError

from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import upload_form

from . import framing, once, recording, servers, tables
from .campaign import carry_out
from .deadlines import QUICK, deadline, threads, words_of
from .talks import KINDS
from .target import Target, held

FEW = ("mute", "drip_head", "idle", "drip_body", "drip_upload", "slow_readers", "tls_mute", "tls_head")  # of a quick run
Starting = Callable[[], AbstractContextManager[Target]]


def machine() -> str:
    load = getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {cpu_count()} cores (load {load:.1f} at the start), Python {platform.python_version()}, "
        f"Cheroot {version('cheroot')}, Bottle {version('bottle')}"
    )


def show_framing(names: Sequence[str], *, each: bool) -> None:
    starts = {"plain": recording.plain, "ours": recording.ours}
    outcomes = {}
    for name in names:
        with starts[name]() as (address, executed):
            outcomes[name] = framing.run(address, executed, patience=3)
    print("\n## Framing\n")
    print("\n".join(tables.framing_sum(outcomes)), flush=True)
    if each:
        print("\n" + "\n".join(tables.framing_lines(outcomes)), flush=True)


@contextmanager
def _ours(words: Sequence[str], certificate: tuple[Path, Path] | None) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder, servers.ours(Path(folder, "root"), words, certificate) as (target, _):
        yield target


def show_hostile(options: argparse.Namespace, words: Sequence[str], certificate: tuple[Path, Path] | None) -> None:
    print("\n## Hostile clients\n\n" + tables.HOSTILE_HEAD, flush=True)
    for is_tls in (False, True):
        kinds = [kind for kind in options.only if KINDS[kind].tls == is_tls]
        if not kinds or (is_tls and certificate is None):
            continue
        made = certificate if is_tls else None
        with ExitStack() as stack:
            ours = stack.enter_context(_ours(words, made)) if "ours" in options.servers else None
            for kind in kinds:
                if "plain" in options.servers:
                    with servers.plain(made) as plain:
                        attack(kind, plain, options, words)
                if ours:
                    attack(kind, ours, options, words)


def attack(kind: str, target: Target, options: argparse.Namespace, words: Sequence[str]) -> None:
    count = {"drip_upload": threads(words) - 1, "tls_mute": options.clients * 3 // 5}.get(kind, options.clients)
    if kind in ("slow_readers", "deaf_readers"):
        count = options.clients // 5
    waits = target.name == "ours"
    result = carry_out(kind, target, count, options.seconds, deadline(KINDS[kind].deadline, words), waits=waits)
    print(tables.hostile_row(target.name, result), flush=True)


def show_crowd(options: argparse.Namespace, words: Sequence[str]) -> None:
    """Many idle connections, both those that never spoke and those that did."""
    starts: dict[str, Starting] = {"plain": servers.plain, "ours": lambda: _ours(words, None)}
    for kind in ("mute",) if options.quick else ("mute", "idle"):
        for name in options.servers:
            with starts[name]() as target:
                by = deadline(KINDS[kind].deadline, words)
                waits = name == "ours"
                result = carry_out(kind, target, options.idle, options.seconds, by, waits=waits)
                print(tables.hostile_row(name, result), flush=True)


def show_once(options: argparse.Namespace, words: Sequence[str]) -> None:
    print("\n## Too much at once\n\n" + tables.ONCE_HEAD, flush=True)
    starts: dict[str, Starting] = {"plain": servers.plain, "ours": lambda: _ours(words, None)}
    size = 200_000_000 if options.quick else 1_000_000_000
    begin = b"GET /simple/probe/ HTTP/1.1\r\nHost: localhost\r\n"
    for name in options.servers:
        with starts[name]() as target:
            for what, head, body in (
                ("a field of 50 MB", begin + b"X-A: " + b"b" * 50_000_000 + b"\r\n\r\n", 0),
                ("10,000 fields", begin + b"X-A: b\r\n" * 10_000 + b"\r\n", 0),
                ("a target of 1 MB", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 0),
                (f"a POST of {size // 1_000_000:,} MB without a secret, sent whatever the answer", target.post(size), size),
                (f"a POST of {size // 1_000_000:,} MB without a secret that waits for 100-continue", target.post(size, expect=True), 0),
            ):
                print(tables.once_row(what, name, once.push(target, head, body)), flush=True)
            print(_others(target), flush=True)


def _others(target: Target) -> str:
    body, content_type = upload_form(make_wheel("broken-off", "1.0", files={"data.bin": bytes(range(256)) * 400}))
    sockets = held(target.pid).sockets
    acknowledged = once.break_off(target, body, content_type)
    end = time.monotonic() + 20
    while held(target.pid).sockets > sockets and time.monotonic() < end:
        time.sleep(0.1)
    left = held(target.pid).sockets - sockets
    missing, longest = once.burst(target)
    return (
        f"\n{target.name}: of 100 uploads broken off at each percent {acknowledged} were acknowledged, {max(left, 0)} connections were left 20 s later; "
        f"of 200 clients at once {missing} got no page, the last after {longest:.0f} ms; of 1000 requests in a pipeline {once.pipeline(target)} were answered\n"
    )


def read_options(given: Sequence[str]) -> argparse.Namespace:
    """What is to be done. `words`: those behind `--`, which argparse takes for options of its own once other options came before."""
    end = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        prog="python -m tests.attacks",
        usage="%(prog)s [all | framing | hostile] [OPTION ...] [-- OPTION VALUE ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=["all", "framing", "hostile"], default="all")
    parser.add_argument("--clients", type=int, default=500, help="hostile clients of an attack")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections; 0 leaves that out")
    parser.add_argument(
        "--seconds", type=float, default=30, help="how long normal clients are watched under an attack; a third of it before"
    )
    parser.add_argument("--quick", action="store_true", help="100 clients, 3 seconds, 500 idle, short deadlines")
    parser.add_argument("--cases", action="store_true", help="print each request of the framing table")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--servers", type=lambda text: text.split(","), default=["plain", "ours"], help="of plain, ours")
    options = parser.parse_args(given[:end])
    options.words = list(given[end + 1 :])
    return options


def main() -> None:
    options = read_options(sys.argv[1:])
    words = options.words
    if options.quick:
        options.clients, options.seconds, options.idle = 100, 2.0, 500
        options.only = [kind for kind in options.only if kind in FEW]
        words = [*words_of(QUICK), *words]
    print(machine())
    if options.what != "hostile":
        show_framing(options.servers, each=options.cases)
    if options.what == "framing":
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            certificate = servers.make_certificate(Path(folder))
        except (OSError, CalledProcessError) as error:
            print(f"without TLS: openssl could not make a certificate ({error})")
            certificate = None
        show_hostile(options, words, certificate)
    if options.idle and "mute" in options.only:
        show_crowd(options, words)
    show_once(options, words)


if __name__ == "__main__":
    main()
