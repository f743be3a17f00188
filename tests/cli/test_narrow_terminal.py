"""Tables of servers on terminals of any width: each row can be read, and no reason of a failure is lost."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from lmcache_internal.cli.outcome import Outcome
from lmcache_internal.cli.output import Screen
from lmcache_internal.cli.server_table import fitted_table
from lmcache_internal.cli.targets import Target
from tests.cli.conftest import DEAD, HANGING, Fleet
from tests.cli.terminal import terminal

STUCK = (
    "HTTP 504: The call to collect the metrics has been stuck since 2026-11-29T19:20:31+00:00. Another is not started; "
    "GET /threads?name=stuck shows its stack."
)
WIDTHS = [60, 72, 80, 100, 120, 160, 200, 300]


class ScreenOf(Screen):
    """A screen of some width, whose lines can be read."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.file = io.StringIO()

    def console(self, stderr: bool = False) -> Console:  # noqa: ARG002  # The signature of `Screen`.
        return Console(file=self.file, width=self.width, highlight=False, force_terminal=False)


def target(index: int) -> Target:
    return Target(f"http://127.0.0.1:{6999 + index}", None, index)


def row(**more: Any) -> dict[str, Any]:
    return {"version": "0.5.6", "health": "failing 2", "mode": "frozen", "usage": "32.0 KiB", "uptime": "5m 28s"} | more


def lines(width: int, outcomes: list[Outcome], short: bool = False) -> list[str]:
    screen = ScreenOf(width)
    screen.console().print(fitted_table(screen, outcomes, short))
    return [line.rstrip() for line in screen.file.getvalue().splitlines()]


OUTCOMES = [
    Outcome(target(0), row()),
    Outcome(target(1), row(reasons=["failing engine: it has a long reason, which has more words than one column"])),
    Outcome(target(2), error=STUCK),
    Outcome(target(3), error="no answer within 5 s"),
    Outcome(target(4), error="no answer within 5 s"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_each_row_is_on_one_line_and_each_reason_is_whole(width: int) -> None:
    shown = lines(width, OUTCOMES)
    assert max(map(len, shown)) <= width
    for index, role in enumerate(("scheduler", "worker 0", "worker 1", "worker 2", "worker 3")):
        (first,) = [line for line in shown[: 1 + len(OUTCOMES)] if re.match(rf"(\d+ +)?{role} ", line)]
        assert ("failing 2" in first) == (index < 2)
    whole = re.sub(r"\s+", "", "".join(shown))
    for text in (STUCK, "no answer within 5 s", OUTCOMES[1].data["reasons"][0]):
        assert re.sub(r"\s+", "", text) in whole


@pytest.mark.parametrize("width", WIDTHS)
def test_a_short_table_has_one_line_for_each_reason(width: int) -> None:
    shown = lines(width, OUTCOMES[2:], short=True)
    assert max(map(len, shown)) <= width
    assert len(shown) <= 1 + 3 + 2
    assert any(line.startswith("worker 1") and "HTTP 504" in line for line in shown)


def test_servers_with_the_same_reason_share_a_line() -> None:
    assert "workers 2-3: no answer within 5 s" in lines(80, OUTCOMES)


def test_a_table_that_fits_has_the_addresses_and_the_errors() -> None:
    assert lines(120, [OUTCOMES[0], OUTCOMES[3]])[1:] == [
        "0      scheduler  http://127.0.0.1:6999  0.5.6    failing 2  frozen  32.0 KiB  5m 28s",
        "3      worker 2   http://127.0.0.1:7002  -        -          -       -         -       no answer within 5 s",
    ]


def test_top_shows_all_columns_beside_a_server_that_fails(ailing: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # The width of the terminal, for rich.
    with terminal(ailing, "top", "--count", "1", "--timeout", "5") as top:
        assert top.wait_for_exit() == 1
        for text in (
            r"worker 0 +\S*ok",
            re.escape(f"worker {DEAD - 1} ({ailing.url(DEAD)}): cannot connect: Connection refused"),
            re.escape(f"worker {HANGING - 1} ({ailing.url(HANGING)}): no answer within 5 s"),
        ):
            top.wait_for_match(text, seconds=0)
