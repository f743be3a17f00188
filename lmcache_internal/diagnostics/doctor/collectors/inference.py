"""The inference engine around LMCache."""

from __future__ import annotations

import re
from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {"data_parallel_size": "the number of replicas of vLLM's data parallelism; missing without vLLM"}

_REPLICAS = re.compile(r"\bdata_parallel_size=(\d{1,6})\b")


def collect(subject: Subject) -> dict[str, Any]:
    """Return what LMCache knows of vLLM; it has the configuration as text only."""
    info = getattr(subject.manager, "get_inference_info", None)
    if info is None or kind_of(subject.manager) == "mp":
        return {}
    found = _REPLICAS.search(str(info().get("vllm_config", "")))
    return {"data_parallel_size": int(found[1])} if found else {}
