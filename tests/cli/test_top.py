"""`top`, on a real terminal and without one."""

from __future__ import annotations

import json
import signal
import termios

import pytest

from lmcache_internal.cli.fleet import Fleet as FleetOfServers
from lmcache_internal.cli.outcome import Found, Outcome
from lmcache_internal.cli.output import Screen
from lmcache_internal.cli.rates import KEPT, Rates, sparkline
from lmcache_internal.cli.targets import Target
from lmcache_internal.cli.top_view import COUNTERS, SORTS, View
from tests.cli.conftest import DEAD, HANGING, Fleet
from tests.cli.terminal import Terminal, terminal


def test_it_shows_the_fleet_until_q_and_leaves_the_terminal_as_it_was(ailing: Fleet) -> None:
    with terminal(ailing, "top", "--interval", "0.3", "--timeout", "4") as top:
        top.wait_for("cannot connect: Connection refused")
        top.wait_for("worker 3")
        assert "50.0 %" not in top.shown
        engine = ailing.managers[1].require_engine()
        engine.store(list(range(64)))
        engine.retrieve(list(range(128)))
        top.wait_for("50.0 %")
        top.wait_for("█")
        top.wait_for("no answer within")
        top.shown = ""
        top.resize(60)
        top.process.send_signal(signal.SIGWINCH)
        top.wait_for("…")  # The error is cropped as soon as the screen is redrawn.
        top.press(b"x")
        top.press(b"q")
        assert top.wait_for_exit() == 0
        assert termios.tcgetattr(top.slave) == top.before


def test_ctrl_c_ends_it(fleet: Fleet) -> None:
    with terminal(fleet, "top") as top:
        top.wait_for("worker 3")
        top.process.send_signal(signal.SIGINT)
        assert top.wait_for_exit() == 0


def test_without_a_terminal_it_looks_once(ailing: Fleet) -> None:
    result = ailing.run("top", "--timeout", "4")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 6
    assert "cannot connect" in result.stdout.splitlines()[1 + DEAD]
    assert "no answer within 4 s" in result.stdout.splitlines()[1 + HANGING]


def test_json_is_a_line_for_each_refresh(fleet: Fleet) -> None:
    result = fleet.run("top", "--json", "--count", "2", "--interval", "0.1")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first[1]["data"]["requests_per_second"] is None
    assert second[1]["data"]["requests_per_second"] is None  # It needs 10 s.
    assert [entry["index"] for entry in second] == [0, 1, 2, 3, 4]


def test_a_rate_is_growth_over_time() -> None:
    rates = Rates()
    rates.add(10.0, {"requests": 5})
    assert rates.now("requests") is None
    rates.add(19.0, {"requests": 34})
    assert rates.now("requests") is None
    rates.add(20.0, {"requests": 35})
    assert rates.now("requests") == 3


def test_a_counter_that_was_reset_gives_no_negative_rate() -> None:
    rates = Rates()
    rates.add(0.0, {"requests": 100})
    rates.add(10.0, {"requests": 40})
    assert rates.now("requests") == 4


def test_the_latest_rates_are_kept() -> None:
    rates = Rates()
    for second in range(100):
        rates.add(second, {"requests": second * second})
    assert len(rates.history("requests")) == KEPT
    assert rates.now("requests") == (99 * 99 - 69 * 69) / 30


@pytest.mark.parametrize("phase", range(10))
@pytest.mark.parametrize("interval", [1, 2, 5, 10])
def test_constant_traffic_has_a_constant_rate_from_the_first_one_on(interval: int, phase: int) -> None:
    """LMCache updates its counters every 10 s. Before, the first rates were up to 10 times too high."""
    rates = Rates()
    for second in range(0, 60, interval):
        rates.add(float(second), {"tokens": (second + phase) // 10 * 1000})
        assert rates.now("tokens") == (100 if second >= 10 else None)


def test_a_rate_is_roughly_right_at_an_interval_that_does_not_fit_the_updates() -> None:
    rates = Rates()
    for second in range(0, 300, 7):
        rates.add(float(second), {"tokens": second // 10 * 1000})
    assert all(60 < rate < 140 for rate in rates.history("tokens"))


def test_a_share_needs_no_10_seconds() -> None:
    rates = Rates()
    for second, (hit, requested) in enumerate([(5, 10), (5, 10), (8, 20)]):
        rates.add(float(second), {"hit": hit, "requested": requested})
        assert rates.share("hit", "requested") == (0.3 if second == 2 else None)


def test_a_rate_of_rare_readings_is_that_between_the_last_two() -> None:
    rates = Rates()
    for second, value in ((0.0, 0), (100.0, 100), (200.0, 600)):
        rates.add(second, {"requests": value})
    assert rates.now("requests") == 5


@pytest.mark.parametrize(
    ("values", "line"), [((), ""), ((0, 0), "▁▁"), ((0, 1, 2, 4, 8), "▁▂▃▅█"), ((5, 5), "██"), ((0.001,), "█")]
)
def test_the_tallest_bar_stands_for_the_largest_value(values: tuple[float, ...], line: str) -> None:
    assert sparkline(values) == line


def test_keys_sort_and_show_help(fleet: Fleet) -> None:
    storage = fleet.managers[3].require_engine().storage_manager
    assert storage is not None
    storage.close_backend("LocalCPUBackend")
    with terminal(fleet, "top", "--interval", "0.3") as top:
        header = r"\d\d:\d\d:\d\d  5 of 5 servers  every 0.3 s  sort: index  h: help  q: quit"
        assert rows(top, header)[:2] == ["scheduler", "worker 0"]
        top.press(b"s")
        assert rows(top, "sort: health  ")[0] == "worker 2"
        top.press(b"r")
        assert rows(top, "sort: health, reversed  ")[-1] == "worker 2"
        assert "reverse the order" not in top.shown
        top.press(b"h")
        top.wait_for("reverse the order")
        top.press(b"?")
        top.press(b"q")
        assert top.wait_for_exit() == 0


def rows(top: Terminal, header: str) -> list[str]:
    """The five servers from the top down, on the first screen with this header."""
    return list(top.wait_for_match("(?s)" + header + 5 * r".*?(scheduler|worker \d)").groups())


def test_the_current_hit_rate_is_beside_the_total_and_usage_beside_its_limit(fleet: Fleet) -> None:
    engine = fleet.managers[1].require_engine()
    engine.store(list(range(64)))
    engine.retrieve(list(range(1000, 1192)))  # 192 tokens requested, none found.
    with terminal(fleet, "top", "--interval", "0.3") as top:
        top.wait_for_match(r"worker 0 .*0\.0 % ")
        engine.retrieve(list(range(64)))
        top.wait_for_match(r"worker 0 .* 25\.0 % +100\.0 % +4\.0 KiB of 5\.0 GiB")
        top.press(b"q")
        assert top.wait_for_exit() == 0


@pytest.mark.parametrize("sort", range(len(SORTS)))
@pytest.mark.parametrize("reverse", [False, True])
def test_every_order_has_each_server_once_and_unknown_values_last(sort: int, reverse: bool) -> None:
    targets = [Target(f"http://{number}", index=number) for number in range(4)]
    view = View(FleetOfServers(Found(targets), None, 1, Screen()), 1)
    stats = {"failing": {}, "warnings": {}, "health": "ok", "usage_limit_bytes": None} | dict.fromkeys(COUNTERS)
    found = [
        Outcome(targets[0], stats | {"hit_rate": 0.5, "usage_bytes": 7, "requests": 1.0}),
        Outcome(targets[1], error="down"),
        Outcome(targets[2], stats | {"hit_rate": None, "usage_bytes": None, "health": "failing"}),
        Outcome(targets[3], stats | {"hit_rate": 0.9, "usage_bytes": 3, "requests": 5.0}),
    ]
    view.record(found)
    for key in "s" * sort + "r" * reverse:
        assert view.press(key)
    order = {0: [0, 1, 2, 3], 1: [2, 0, 3, 1], 2: [3, 0, 1, 2], 3: [0, 3, 1, 2]}.get(sort, [0, 1, 2, 3])
    known = {0: 4, 1: 3, 2: 2, 3: 2}.get(sort, 0)
    if reverse:
        order = [*reversed(order[:known]), *order[known:]]
    indices = [row.split()[1] if row.startswith("worker") else "-1" for row in shown(view, found)]
    assert [int(index) + 1 for index in indices] == order


def test_servers_that_have_left_are_forgotten() -> None:
    targets = [Target(f"http://{number}") for number in range(3)]
    view = View(FleetOfServers(Found(targets), None, 1, Screen()), 1)
    for listed in (targets[:2], targets[1:]):
        view.record([Outcome(target, dict.fromkeys(COUNTERS)) for target in listed])
        kept = view.rates[targets[1]]
    assert [*view.rates] == targets[1:]
    view.record([Outcome(targets[1], error="down")])
    assert view.rates == {targets[1]: kept}


def shown(view: View, found: list[Outcome]) -> list[str]:
    return [str(cell) for cell in view.table(found).columns[0].cells]
