"""`top`, on a real terminal and without one."""

from __future__ import annotations

import json
import signal
import termios

import pytest

from lmcache_internal.cli.rates import KEPT, Rates, sparkline
from tests.cli.conftest import DEAD, HANGING, Fleet
from tests.cli.terminal import terminal


def test_it_shows_the_fleet_until_q_and_leaves_the_terminal_as_it_was(ailing: Fleet) -> None:
    with terminal(ailing, "top", "--interval", "0.3", "--timeout", "1") as top:
        top.wait_for("worker 3")
        assert "cannot connect: Connection refused" in top.shown
        assert "50.0 %" not in top.shown
        engine = ailing.managers[1].require_engine()
        engine.store(list(range(64)))
        engine.retrieve(list(range(128)))
        top.wait_for("50.0 %")
        top.wait_for("█")
        assert "no answer within" in top.shown
        top.shown = ""
        top.resize(60)
        top.process.send_signal(signal.SIGWINCH)
        top.wait_for("…")  # The error is cropped as soon as the screen is redrawn.
        top.press(b"x")
        top.press(b"q")
        assert top.process.wait(5) == 0
        assert termios.tcgetattr(top.slave) == top.before


def test_ctrl_c_ends_it(fleet: Fleet) -> None:
    with terminal(fleet, "top") as top:
        top.wait_for("worker 3")
        top.process.send_signal(signal.SIGINT)
        assert top.process.wait(5) == 0


def test_without_a_terminal_it_looks_once(ailing: Fleet) -> None:
    result = ailing.run("top", "--timeout", "1")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 6
    assert "cannot connect" in result.stdout.splitlines()[1 + DEAD]
    assert "no answer within 1 s" in result.stdout.splitlines()[1 + HANGING]


def test_json_is_a_line_for_each_refresh(fleet: Fleet) -> None:
    result = fleet.run("top", "--json", "--count", "2", "--interval", "0.1")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first[1]["data"]["requests_per_second"] is None
    assert second[1]["data"]["requests_per_second"] == 0
    assert [entry["index"] for entry in second] == [0, 1, 2, 3, 4]


def test_a_rate_is_growth_over_time() -> None:
    rates = Rates()
    rates.add(10.0, {"requests": 5})
    assert rates.now("requests") is None
    rates.add(12.0, {"requests": 11})
    assert rates.now("requests") == 3


def test_a_counter_that_was_reset_gives_no_negative_rate() -> None:
    rates = Rates()
    rates.add(0.0, {"requests": 100})
    rates.add(1.0, {"requests": 4})
    assert rates.now("requests") == 4


def test_the_latest_rates_are_kept() -> None:
    rates = Rates()
    for second in range(100):
        rates.add(second, {"requests": second * second})
    assert len(rates.history("requests")) == KEPT
    assert rates.now("requests") == 99 * 99 - 98 * 98


@pytest.mark.parametrize(
    ("values", "line"), [((), ""), ((0, 0), "▁▁"), ((0, 1, 2, 4, 8), "▁▂▃▅█"), ((5, 5), "██"), ((0.001,), "█")]
)
def test_the_tallest_bar_stands_for_the_largest_value(values: tuple[float, ...], line: str) -> None:
    assert sparkline(values) == line
