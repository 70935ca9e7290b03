"""What wrk prints is understood, and what was measured is told rightly: tables, ratios, charts, the file."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.field import report, wrk
from benchmarks.field.comparison import together, turned
from benchmarks.field.kinds import APART, BY_NAME, COMPARED, HOSTED, KINDS, OURS, PAGES, TARGETS, TITLES, Measure, chosen
from benchmarks.field.processes import descendants
from benchmarks.field.results import Results, number, with_unit
from benchmarks.field.svg import bar_chart
from benchmarks.field.tools import PEERS

pytestmark = pytest.mark.any_python

WRK = """Running 1s test @ http://127.0.0.1:8080/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.03ms  412.00us  12.11ms   91.02%
    Req/Sec     7.95k   610.11     8.71k    80.00%
  Latency Distribution
     50%    0.99ms
     75%    1.10ms
     90%    1.29ms
     99%  2.70ms
  8712 requests in 1.10s, 10.50MB read
Requests/sec:   7920.00
Transfer/sec:      9.54MB
"""


@pytest.fixture
def results() -> Results:
    about = {
        "date": "2026-11-22",
        "cores": 2,
        "load": 0.1,
        "load_after": 2.0,
        "effort": "--quick, 3 rounds",
        "commit": "abc1234",
        "versions": {"Python": "3.11.7", "nginx": ""},
    }
    made = Results("M", about)
    for value in (9000.0, 10000.0, 2000.0):
        made.add("project", "pywharf", Measure(value, 100e-6, 1200))
    made.add("project", "bottle", Measure(6000.0, 150e-6, 1200))
    made.add("project", "devpi", Measure(450.0, 2.5e-3, 5000))
    made.add("start", "pywharf", Measure(0.4, 0.5))
    made.add("start", "devpi", Measure(8.0, 7.0))
    return made


# --- wrk --------------------------------------------------------------------------------------------------------------


def test_a_load_is_read_from_what_wrk_prints() -> None:
    load = wrk.parse(WRK)

    assert (load.requests, load.seconds, load.errors) == (8712, pytest.approx(1.1), 0)
    assert load.rate == pytest.approx(7920)
    assert (load.median, load.worst) == (pytest.approx(0.99e-3), pytest.approx(2.7e-3))
    assert load.received == pytest.approx(10.5 * 2**20)


def test_errors_of_the_socket_and_refusals_count_as_errors() -> None:
    told = WRK.replace(
        "Requests/sec", "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 90\nRequests/sec"
    )

    assert wrk.parse(told).errors == 100


def test_what_wrk_never_printed_is_refused() -> None:
    with pytest.raises(wrk.WrkFailed, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_a_script_sends_each_request_with_its_headers_and_cannot_be_left_by_a_quote() -> None:
    requests = [wrk.Request("/simple/a/", {"Accept": 'text/"html"'}), wrk.Request("/simple/b/", {})]

    script = wrk.script(requests, 8080)

    assert '"GET /simple/a/ HTTP/1.1\\r\\nHost: 127.0.0.1:8080\\r\\nAccept: text/\\"html\\"\\r\\n\\r\\n"' in script
    assert '"GET /simple/b/ HTTP/1.1\\r\\nHost: 127.0.0.1:8080\\r\\n\\r\\n"' in script


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_table_shows_medians_with_the_cpu_of_one_request(results: Results) -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in results.table().splitlines()]

    assert rows[0] == ["", "pywharf", "bare Bottle on Cheroot", "devpi-server"]
    assert rows[2] == ["project page", "9,000/s [100 us]", "6,000/s [150 us]", "450/s [2,500 us]"]
    assert rows[3] == ["start to the first answer", "0.40 s [0.50 s]", "", "8.00 s [7.00 s]"]


def test_a_ratio_above_one_is_the_better_way_round(results: Results) -> None:
    assert results.ratio("project", "pywharf", "bottle") == pytest.approx(1.5)
    assert results.ratio("start", "pywharf", "devpi") == pytest.approx(20)
    assert results.ratio("root", "pywharf", "devpi") is None
    assert "| project page | 1.50x | 20.0x |" in results.ratios()


def test_a_target_that_is_missed_is_told_as_missed(results: Results) -> None:
    results.measured["start", "pywharf"] = [Measure(0.6)]

    told = results.targets()

    assert "| project page: pywharf to bare Bottle on Cheroot | 1.00x | 1.50x | reached |" in told
    assert "| start to the first answer: pywharf | at most 0.50 s | 0.60 s | **not reached** |" in told
    assert "small wheel" not in told  # nobody measured it


def test_a_target_may_be_about_cpu_and_about_the_same_server_at_something_else(results: Results) -> None:
    for kind, rate, cpu in (("upload_1", 200.0, 3e-3), ("upload_small", 100.0, 2e-3), ("upload_wide", 300.0, 3.1e-3)):
        results.add(kind, "pywharf", Measure(rate, cpu))

    told = results.targets()

    assert "| upload of 10 kB, 1 client, CPU: pywharf | at most 4.00 ms | 3.00 ms | reached |" in told
    assert "| upload of 10 kB, 1 client, CPU: pywharf to upload into a repository of 100 files | 0.77x | 0.67x | **not reached** |" in told
    assert "| upload into the project of 2,000 files, CPU: pywharf to upload of 10 kB, 1 client | 0.77x | 0.97x | reached |" in told


def test_a_round_begins_with_another_server_than_the_one_before() -> None:
    assert [turned(["a", "b", "c"], number) for number in range(4)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert turned([], 1) == []


def test_what_is_compared_with_each_other_is_measured_in_a_row() -> None:
    assert together(["project", "root", "not_modified", "upload_1", "upload_wide", "fresh"]) == [
        ["project", "not_modified"],
        ["root"],
        ["upload_1", "upload_wide"],
        ["fresh"],
    ]
    assert {kind for group in COMPARED for kind in group} >= {
        kind for target in TARGETS if target.than_kind for kind in (target.kind, target.than_kind)
    }


def test_every_target_is_about_something_that_is_measured() -> None:
    for target in TARGETS:
        assert target.kind in BY_NAME
        assert {target.server, target.than} <= {*TITLES, ""}
        assert target.than_kind in {*BY_NAME, ""}


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (45.67, "45.7"), (1.234, "1.23"), (0.0, "0.00")])
def test_numbers_have_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_count_is_shown_without_a_unit() -> None:
    assert with_unit(8.0, BY_NAME["fsyncs_1"]) == "8.00"


@pytest.mark.parametrize(
    ("kind", "measure", "seconds"),
    [
        ("project", Measure(0.5), 2.0),
        ("upload_8", Measure(4.0), 2.0),
        ("download_4", Measure(400.0, size=200_000_000), 2.0),
        ("fresh", Measure(946.0), 0.946),
        ("pip", Measure(5.0), 0.0),  # mostly pip's own
        ("fsyncs_1", Measure(8.0), 0.0),
    ],
)
def test_a_measurement_tells_how_long_a_client_waited_for_one_answer(kind: str, measure: Measure, seconds: float) -> None:
    assert BY_NAME[kind].seconds(measure) == pytest.approx(seconds)


def test_other_package_servers_are_known_by_their_titles() -> None:
    assert set(PEERS) <= set(TITLES.values())  # by which is decided in how many rounds they take part


def test_what_is_measured_in_git_or_beside_the_rounds_is_a_kind() -> None:
    assert {*HOSTED, *APART, *PAGES, *OURS} <= set(BY_NAME)
    assert not set(HOSTED) & set(APART)


def test_a_results_file_gives_the_same_results_again(results: Results) -> None:
    again = Results.from_json(results.to_json())

    assert again == results
    assert set(json.loads(results.to_json())) == {"size", "about", "measured"}


def test_kinds_are_chosen_by_name_and_a_wrong_name_is_told() -> None:
    assert [kind.name for kind in chosen("wheel, project")] == ["project", "wheel"]
    assert chosen(None) == KINDS
    with pytest.raises(ValueError, match="no such kind: whee; there are project"):
        chosen("project,whee")


# --- charts and the page ------------------------------------------------------------------------------------------------


def test_a_chart_is_well_formed_and_has_a_bar_for_each_server_the_best_first() -> None:
    text = bar_chart(BY_NAME["project"], {"devpi": 450.0, "pywharf": 9000.0, "bottle": 6000.0}, "2 cores & <noise>")

    drawn = ElementTree.fromstring(text)
    words = [element.text for element in drawn.iter() if element.text and element.text.strip()]
    bars = [float(element.attrib["width"]) for element in drawn.iter() if element.tag.endswith("rect")]
    assert [word for word in words if word in TITLES.values()] == ["pywharf", "bare Bottle on Cheroot", "devpi-server"]
    assert bars == sorted(bars, reverse=True)
    assert min(bars) > 0
    assert words[-1] == "2 cores & <noise>; logarithmic scale"


def test_in_a_chart_of_times_the_shortest_is_the_best() -> None:
    text = bar_chart(BY_NAME["start"], {"devpi": 8.0, "pywharf": 0.4}, "")

    assert text.index(">pywharf<") < text.index(">devpi-server<")
    assert "less is better" in text


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        bar_chart(BY_NAME["project"], {}, "")


def test_a_report_is_written_with_its_charts(results: Results, tmp_path: Path) -> None:
    report.write_report(results, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "report.md", "field-project.svg", "field-start.svg"}


def test_the_documentation_takes_a_run_between_its_marks_and_keeps_the_rest(results: Results, tmp_path: Path) -> None:
    (tmp_path / "explanation").mkdir()
    (tmp_path / "images").mkdir()
    page = tmp_path / "explanation" / "figures.md"
    marks = {size: f"{report.BEGIN.format(size)}\n\nOld {size}.\n\n{report.END.format(size)}" for size in ("M", "L")}
    page.write_text(f"Before.\n\n{marks['M']}\n\nBetween.\n\n{marks['L']}\n\nAfter.\n")

    report.put_into_docs(results, tmp_path)
    report.put_into_docs(results, tmp_path)

    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\n\nAfter.\n")
    assert "Old M." not in text
    assert "Old L." in text
    assert text.count(results.table()) == 1
    assert (tmp_path / "images" / "field-project.svg").exists()


@pytest.mark.parametrize("size", ["M", "L", "XL"])
def test_the_real_page_has_a_place_for_a_run(size: str) -> None:
    assert "new tables" in report.between_marks(report.PAGE.read_text(encoding="utf-8"), "new tables", size)


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no place"):
        report.between_marks("A page.", "new", "M")


def test_a_process_counts_with_its_descendants() -> None:
    assert os.getpid() in descendants(os.getppid())
