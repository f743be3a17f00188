"""The benchmarks' own parts; that they run is shown by tests/lmcache/test_benchmarks.py."""

from __future__ import annotations

import socket
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.chart import as_svg
from benchmarks.client import Address
from benchmarks.document import DOCUMENT, PICTURE, README, as_markdown
from benchmarks.load import Load, closed_loop, steady
from benchmarks.measure import Figure, Measuring, Plan, alternate
from benchmarks.questions import QUESTIONS, load
from benchmarks.results import Result, written
from benchmarks.rows import Row, Spread
from benchmarks.servers import Kind
from benchmarks.summary import put_into
from benchmarks.table import as_text
from lmcache_internal import InternalAPIServer


def address_of(server: InternalAPIServer) -> Address:
    return server.socket_path or ("127.0.0.1", server.port)


@pytest.mark.parametrize("reconnect", [False, True])
def test_a_closed_loop_counts_every_answer(server: InternalAPIServer, reconnect: bool) -> None:
    found = closed_loop(address_of(server), "/lmc_version", 8, 0.2, reconnect=reconnect)
    assert len(found.latencies) >= 8
    assert found.refused == 0
    assert found.per_second == len(found.latencies) / found.seconds
    assert 0 < found.percentile(50) <= found.percentile(99) <= found.percentile(100) < 1000 * found.seconds


def test_answers_that_are_not_200_are_counted_apart(server: InternalAPIServer) -> None:
    found = closed_loop(address_of(server), "/nothing/here", 2, 0.05)
    assert found.refused >= 2
    assert found.latencies == []
    with pytest.raises(ValueError, match="no request was answered with 200"):
        found.percentile(50)


def test_an_answer_in_many_pieces_is_read_to_its_end(server: InternalAPIServer) -> None:
    found = steady(address_of(server), "/threads", per_second=20, seconds=0.2)
    assert len(found.latencies) == 4


def test_a_stall_counts_for_each_request_that_it_delays() -> None:
    def answer_late(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for delay in (0.3, 0, 0, 0):
                connection.recv(1000)
                time.sleep(delay)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_late, args=(listener,))
        thread.start()
        found = steady(listener.getsockname(), "/", per_second=20, seconds=0.2)
        thread.join()
    # Due after 0, 50, 100 and 150 ms, and answered after 300.
    assert all(late > due for late, due in zip(found.latencies, (0.299, 0.249, 0.199, 0.149), strict=True))


def test_percentiles_lie_between_the_answers() -> None:
    found = Load([0.001, 0.002, 0.003, 0.004, 0.005])
    assert [found.percentile(percent) for percent in (0, 50, 90, 100)] == pytest.approx([1, 3, 4.6, 5])


def test_the_servers_take_turns() -> None:
    turns: list[str] = []

    def measure(kind: Kind, plan: Plan) -> Measuring:
        for _ in range(plan.rounds):
            turns.append(kind)
            yield [Figure("speed", 2.0 if kind == "ours" else 1.0, "requests/s", "≥ 2x")]
        turns.append(f"{kind} ended")

    (row,) = alternate(measure, Plan(rounds=3))
    assert turns == ["lmcache", "ours", "ours", "lmcache", "lmcache", "ours", "ours ended", "lmcache ended"]
    assert row == Row("speed", "requests/s", "≥ 2x", [1.0] * 3, [2.0] * 3)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [("≥ 2x", True), ("≥ 2.1x", False), ("≤ 20", True), ("≤ 19.9", False), ("≤ 2x", True), ("", None)],
)
def test_what_is_asked_is_compared(asked: str, holds: bool | None) -> None:
    row = Row("speed", "requests/s", asked, lmcache=[9, 10, 20], ours=[18, 20, 60])
    assert row.ratio == Spread(2, 2, 3)
    assert row.holds is holds


def test_without_a_figure_of_lmcaches_there_is_no_ratio() -> None:
    assert Row("growth", "MB", "≤ 1x", lmcache=[0, 0], ours=[1, 2]).holds is None


@pytest.mark.parametrize(
    ("unit", "ours", "expected"),
    [
        ("requests/s", [30, 33], "better"),
        ("ms", [30, 33], "worse"),
        ("requests/s", [10, 11], "worse"),
        ("ms", [10, 11], "better"),
        ("ms", [21, 30], ""),
    ],
)
def test_a_change_is_one_where_the_spreads_lie_apart(unit: str, ours: list[float], expected: str) -> None:
    before = Row("speed", unit, lmcache=[10, 10], ours=[20, 22])
    assert Row("speed", unit, lmcache=[10, 10], ours=ours).since(before) == expected


def test_a_result_survives_its_file_and_is_compared(tmp_path: Path) -> None:
    row = Row("speed, 8 clients", "requests/s", "≥ 2x", [1000.0, 1234.5], [3000.0, 3100.0])
    origin = {"cpu": "a model, 2 cores", "kernel": "6"}
    result = Result("throughput", "How fast", "2026-11-22", "abc1234", origin, {"python": "3.11"}, [row])
    result.write(tmp_path)
    assert Result.parse((tmp_path / "throughput.json").read_text()) == result
    slower = Result(**vars(result) | {"rows": [Row("speed, 8 clients", "requests/s", "", [10.0], [11.0])]})
    line = as_text(result, before=slower).splitlines()[-1]
    assert line.split("  ")[0] == "speed, 8 clients"
    assert "1,117 (1,000 to 1,234)" in line
    assert "≥ 2x: yes" in line
    assert line.endswith("1.1x better")


def test_every_question_says_what_it_is() -> None:
    for question in QUESTIONS:
        title, _ = load(question)
        assert title.endswith(".")


def test_the_document_and_its_picture_are_printed_from_the_results() -> None:
    results = written(QUESTIONS)
    assert DOCUMENT.read_text() == as_markdown(results), "run `make docs`"
    assert PICTURE.read_text() == as_svg(results), "run `make docs`"
    assert README.read_text() == put_into(README.read_text(), results), "run `make docs`"
    assert README.read_text().count("\n| `/lmc_version`, 8 clients") == 1
    assert ET.fromstring(PICTURE.read_text()).tag.endswith("svg")
