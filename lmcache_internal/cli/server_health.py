"""Fetch the health of one server, as one word with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .client import Client, Failure
from .output import Screen

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {"ok": "green", "warning": "yellow", "failing": "red"}


class _Check(msgspec.Struct):
    ok: bool
    message: str


class _Report(msgspec.Struct):
    checks: dict[str, _Check]
    mode: str = ""

    def not_ok(self) -> dict[str, str]:
        """Return the checks that fail, with the reason of each."""
        return {name: check.message for name, check in self.checks.items() if not check.ok}


def fetch_health(client: Client) -> dict[str, Any]:
    """Fetch the health; `healthy` is None for a server without health checks, such as LMCache's own.

    Raises:
        Failure: the server gave no usable response.
    """
    try:
        report = _report(client, "/healthz")
    except Failure as failure:
        if failure.status != 404:
            raise
        return {"healthy": None, "health": "unknown", "mode": "", "failing": {}, "warnings": {}}
    all_checks = report.not_ok()
    # Warnings fail /healthz, but not /readyz.
    failing = _report(client, "/readyz").not_ok() if all_checks else {}
    failing.pop("drain", None)  # It is a mode: an operator has asked for it.
    warnings = {name: message for name, message in all_checks.items() if name not in failing}
    word = "failing" if failing else "warning" if warnings else "ok"
    return {"healthy": word == "ok", "health": word, "mode": report.mode, "failing": failing, "warnings": warnings}


def with_failing(health: Mapping[str, Any], name: str, reason: str) -> dict[str, Any]:
    """Return the health of `fetch_health` with one more failing check."""
    failing = {**health["failing"], name: reason}
    return {**health, "healthy": False, "health": "failing", "failing": failing}


def health_cell(screen: Screen, data: Mapping[str, Any]) -> Text:
    """Return one word, and the number of checks that it is about."""
    count = len(data["failing"] or data["warnings"])
    return screen.styled(f"{data['health']} {count}" if count else data["health"], _STYLES.get(data["health"], ""))


def reasons(data: Mapping[str, Any]) -> list[str]:
    """Return why a server is not healthy, a line for each check."""
    words = {"failing": "failing", "warnings": "warning"}
    return [f"{word} {name}: {message}" for kind, word in words.items() for name, message in data[kind].items()]


def _report(client: Client, path: str) -> _Report:
    report: _Report = client.json("GET", path, type=_Report, good=(503,))
    return report
