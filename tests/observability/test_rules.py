"""The rules and scrape configurations are valid, and each alert has its tests and its section in docs/alerts.md."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.observability.prometheus import DIRECTORY, RULES, alerts, needs_prometheus, promtool
from tests.support import ROOT

HEADING = re.compile(r"^## (\w+)$", re.MULTILINE)


@needs_prometheus
@pytest.mark.parametrize("name", ["prometheus.yaml", "prometheus-static.yaml"])
def test_promtool_accepts_the_scrape_configuration(name: str) -> None:
    found = promtool("check", "config", str(DIRECTORY / name))
    assert f"{len(RULES)} rule files found" in found


@needs_prometheus
def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", *map(str, RULES)).count("SUCCESS") == len(RULES)


@needs_prometheus
def test_the_unit_tests_of_the_rules_pass() -> None:
    files = sorted((DIRECTORY / "tests").glob("*.yaml"))
    assert promtool("test", "rules", *map(str, files)).count("SUCCESS") == len(files) >= 3


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_complete(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    # An alert about missing targets has no value.
    assert "$value" in alert["annotations"]["description"] or alert["expr"].startswith("absent(")
    assert alert["annotations"]["runbook_url"] == f"docs/alerts.md#{alert['alert'].lower()}"


def test_each_alert_has_a_section_and_unit_tests() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert HEADING.findall((ROOT / "docs" / "alerts.md").read_text()) == names
    tests = "".join(path.read_text() for path in (DIRECTORY / "tests").glob("*.yaml"))
    for name in names:
        samples = re.findall(rf'alertname="{name}".*\n.*\n\s+exp_samples: (\S+)', tests)
        assert {text == "[]" for text in samples} == {True, False}, f"{name} must fire in a test, and not in another"
