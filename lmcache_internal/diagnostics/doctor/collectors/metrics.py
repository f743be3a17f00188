"""The metrics of this rank."""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY

from ...checks import Subject
from ..metric_facts import metric_facts
from . import rank

FIELDS = {
    "*": "each sample of LMCache, vLLM and the process by its name in `GET /metrics`, summed over its labels; "
    "a name with `_bucket` has the counts by upper bound"
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the metrics of this rank. In multi-process mode, they are those of this process alone."""
    found = rank.collect(subject)
    return metric_facts(REGISTRY.collect(), found["role"], found["worker_id"])
