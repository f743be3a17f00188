"""Prometheus metrics as facts: the samples of one rank, summed by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import Metric

from .ranks import Role

PREFIXES = ("lmcache:", "lmcache_", "vllm:", "process_")
MAX_SERIES = 2000
"""Names of samples that become facts."""


def metric_facts(families: Iterable[Metric], role: Role | None, worker_id: int | None) -> dict[str, Any]:
    """Return the samples by name: a number, or for a bucket of a histogram, the numbers by upper bound.

    Args:
        families: the metrics of a process, which may hold those of several ranks.
        role: the role of the rank.
        worker_id: the number of the worker.
    """
    facts: dict[str, Any] = {}
    for family in families:
        for sample in family.samples if family.name.startswith(PREFIXES) else ():
            name = sample.name
            if name.endswith("_created") or not math.isfinite(sample.value):
                continue
            if not belongs(sample.labels, role, worker_id) or (name not in facts and len(facts) >= MAX_SERIES):
                continue
            if name.endswith("_bucket"):
                buckets = facts.setdefault(name, {})
                bound = sample.labels.get("le", "+Inf")
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
            else:
                facts[name] = facts.get(name, 0.0) + sample.value
    return facts


def belongs(labels: Mapping[str, str], role: Role | None, worker_id: int | None) -> bool:
    """Return whether a sample is of a rank; one without labels is of the process.

    Args:
        labels: the labels of the sample.
        role: the role of the rank; all samples belong to a server without a rank.
        worker_id: the number of the worker.
    """
    if role not in ("scheduler", "worker") or "worker_id" not in labels:
        return True
    if role == "scheduler":
        return labels.get("role") == "scheduler"
    return labels["worker_id"] == str(worker_id) and labels.get("role") != "scheduler"
