"""The inference engine around LMCache."""

from __future__ import annotations

import re
from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {
    "vllm": "the version of vLLM, if this process is part of it",
    "data_parallel_size": "the number of replicas of vLLM's data parallelism, if this process is part of vLLM",
}

_REPLICAS = re.compile(r"\bdata_parallel_size=(\d{1,6})\b")


def collect(subject: Subject) -> dict[str, Any]:
    """Return what LMCache knows of vLLM; it has the configuration as text only."""
    info = getattr(subject.manager, "get_inference_info", None)
    if info is None or kind_of(subject.manager) == "mp":
        return {}
    found = info()
    replicas = _REPLICAS.search(str(found.get("vllm_config", "")))
    return {
        **({"vllm": str(found["vllm_version"])} if found.get("vllm_version") else {}),
        **({"data_parallel_size": int(replicas[1])} if replicas else {}),
    }
