"""The inference engine (vLLM) that uses the cache engine."""

from typing import Any, TypedDict

from flask import Blueprint

from lmcache_internal.api import EngineUnavailable, adapter, operation, redact

router = Blueprint("inference", __name__)


class InferenceVersion(TypedDict):
    """The vLLM version."""

    vllm_version: str | None


@router.get("/inference_info")
@operation(action="get inference info", media="pretty")
def inference_info(format: str | None = None) -> dict[str, Any]:  # noqa: ARG001  # Old clients send it.
    """Show information about the inference engine, with secrets masked."""
    info: dict[str, Any] = redact(adapter().get_inference_info())
    return info


@router.get("/inference_version")
@operation(action="get inference version", media="pretty")
def inference_version() -> InferenceVersion:
    """Show the version of the inference engine."""
    found = adapter()
    ask = getattr(found, "get_inference_version", None)
    if ask is not None:
        return {"vllm_version": ask()}
    version = found.get_inference_info().get("vllm_version") if hasattr(found, "get_inference_info") else None
    if version is None:
        raise EngineUnavailable(
            f"{type(found).__name__} does not provide the version of the inference engine",
            title="Inference version unavailable",
        )
    return {"vllm_version": version}
