"""A real Prometheus that scrapes and evaluates once a second, and promtool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.browser import answers, running
from tests.support import ROOT, free_port

DIRECTORY = ROOT / "deploy" / "prometheus"
RULES = sorted((DIRECTORY / "rules").glob("*.yaml"))
PROMETHEUS = Path("/usr/bin/prometheus")

needs_prometheus = pytest.mark.skipif(
    not PROMETHEUS.exists(), reason=f"there is no {PROMETHEUS}; apt-get install prometheus"
)


def promtool(*arguments: str) -> str:
    """Run promtool; return its output."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load((DIRECTORY / "rules" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(
    directory: Path, scrape_configs: Sequence[Mapping[str, Any]], rules: Mapping[str, str] | None = None
) -> Iterator[Prometheus]:
    """Run Prometheus with these scrape configurations, and with the rule files `rules` or those of the product."""
    directory.mkdir(exist_ok=True)
    for name, text in (rules or {path.name: path.read_text() for path in RULES}).items():
        (directory / name).write_text(text)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(directory / path.name) for path in RULES],
        "scrape_configs": [dict(each) for each in scrape_configs],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        str(PROMETHEUS),
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, directory / "log", lambda: answers(port, "/-/ready")):
        yield Prometheus(port)


class Prometheus:
    """The HTTP API of a running Prometheus.

    Args:
        port: where it listens on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def fetch(self, path: str) -> Any:
        """Return the data of a response."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", f"/api/v1/{path}")
            answer = json.load(connection.getresponse())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression, each with the keys `metric` and `value`."""
        found: list[dict[str, Any]] = self.fetch(f"query?query={quote(expression)}")["result"]
        return found

    def firing(self) -> dict[str, list[dict[str, Any]]]:
        """Return the firing alerts by name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self.fetch("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found
