"""Collect the facts of an MP server for one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.mp.runtime import MPRuntime, Prompt
from ...errors import BadRequest, EngineUnavailable
from .explanation import Explanation, explanation_of
from .seen import Seen
from .situation import Situation, missing_chunks


def explain(runtime: MPRuntime, seen: Seen, prompt: Prompt) -> Explanation:
    """Return which chunks of a prompt are cached, and why the others are not.

    Raises:
        BadRequest: a value breaks a rule of the engine, or the prompt has too many chunks (400).
        EngineUnavailable: no worker has registered that model with that world size (503).
        NotSupported: this version of the engine cannot do it (501).
    """
    prefix = runtime.prefix(prompt)
    missing = missing_chunks(prefix)
    sight = seen.last(missing[0].key) if missing else None
    seen.update(prefix.chunks)
    stored = None
    if missing and not missing[0].backends:
        stored = runtime.stored_keys(prompt, missing[0].key.chunk_hash)
    return explanation_of(Situation(len(prompt.tokens), prefix, stored=stored, sight=sight))


def model_of(status: Mapping[str, Any], model_name: str | None, world_size: int | None) -> tuple[str, int]:
    """Return the model and the world size to look up: the given ones, or those of the only registered model.

    Args:
        status: the status of the MP engine.
        model_name: the model; None for the registered one.
        world_size: its number of ranks; None for the registered one.

    Raises:
        BadRequest: several models match, so the request must name one (400).
        EngineUnavailable: no worker has registered a model (503).
    """
    if model_name is not None and world_size is not None:
        return model_name, world_size
    workers = list((status.get("cache_context_meta") or {}).values())
    registered = sorted({(worker["model_name"], worker["world_size"]) for worker in workers})
    matching = [each for each in registered if model_name in (None, each[0]) and world_size in (None, each[1])]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(f"{name} (world size {size})" for name, size in registered[:10])
    if not registered:
        raise EngineUnavailable("No worker has registered a model yet. Send model_name and world_size.")
    raise BadRequest(f"Send model_name and world_size; registered are: {names}")
