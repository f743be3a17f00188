"""The queries of the committed dashboards, as Grafana sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.support import ROOT

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
LMCACHE_NAME = re.compile(r"\b(?<![\w:])lmcache[a-z_]*:[a-z0-9_]+|(?<![\w:])lmcache_mp_[a-z0-9_]+")


class Query(NamedTuple):
    """A query of a panel."""

    panel: str
    expression: str

    def with_values(self, values: Mapping[str, str]) -> str:
        """Return the expression with the variables of the dashboard replaced."""
        text = self.expression.replace("$__rate_interval", "10s")
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        assert not re.search(r"\$[a-z_]", text), text
        return text


def dashboard(name: str) -> Any:
    return json.loads((DASHBOARDS / f"lmcache-{name}.json").read_text())


def queries(name: str) -> list[Query]:
    """Return the queries of all panels of a dashboard."""
    return [
        Query(panel["title"], target["expr"])
        for panel in dashboard(name)["panels"]
        for target in panel.get("targets", [])
    ]


def metric_names(expressions: Iterator[str] | list[str]) -> set[str]:
    """Return the names of LMCache's and this server's metrics, without those of recording rules."""
    return {name for expression in expressions for name in LMCACHE_NAME.findall(expression)}
