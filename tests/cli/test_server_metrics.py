from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from cli.running import Run

from pywharf.cli.server_metrics import MetricsAddress, ServerMetrics, metrics_address

pytestmark = pytest.mark.any_python


@pytest.mark.parametrize(
    ("text", "address", "is_open"),
    [
        ("127.0.0.1:9180", MetricsAddress("127.0.0.1", 9180), False),
        ("localhost:9180", MetricsAddress("localhost", 9180), False),
        ("[::1]:9180", MetricsAddress("::1", 9180), False),
        ("127.0.0.1:0", MetricsAddress("127.0.0.1", 0), False),
        ("0.0.0.0:9180", MetricsAddress("0.0.0.0", 9180), True),
        ("metrics.example:9180", MetricsAddress("metrics.example", 9180), True),
        ("/run/pywharf/metrics", MetricsAddress(path="/run/pywharf/metrics"), False),
        ("./metrics", MetricsAddress(path="./metrics"), False),
    ],
)
def test_an_address_is_a_host_with_a_port_or_a_path(text: str, address: MetricsAddress, is_open: bool) -> None:
    assert metrics_address(text) == address
    assert address.is_open == is_open


@pytest.mark.parametrize(
    "text", ["9180", "127.0.0.1", ":9180", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:9180", "a b:1", "user@host:1"]
)
def test_what_is_no_address_is_a_mistake_on_the_command_line(run: Run, tmp_path: Path, text: str) -> None:
    result = run("server", tmp_path / "root", "--metrics_address", text)

    assert result.exit_code == 2
    assert "has to be HOST:PORT, such as 127.0.0.1:9180" in result.output
    assert not (tmp_path / "root").exists()


def test_no_address_is_none() -> None:
    metrics = ServerMetrics(2, "")
    metrics.open()
    metrics.close()

    assert metrics.address is None


def test_an_address_that_others_reach_is_told_loudly_and_one_of_this_machine_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for address, times in (("127.0.0.1:0", 0), ("0.0.0.0:0", 1)):
            metrics = ServerMetrics(1, address)
            metrics.open()
            metrics.close()
            assert caplog.text.count("METRICS ARE OPEN TO THE NETWORK") == times

    assert "metrics: address=127.0.0.1:" in caplog.text


def test_a_port_that_is_taken_is_told_with_the_option_to_change(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="give another --metrics_address"):
            ServerMetrics(1, f"127.0.0.1:{taken.getsockname()[1]}").open()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_text("precious")

    with pytest.raises(OSError, match="give --metrics_address another path"):
        ServerMetrics(1, str(path)).open()
    assert path.read_text() == "precious"
