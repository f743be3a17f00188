"""Compare the keys that the ranks of one engine compute for the same tokens.

The keys may differ in the worker's number only. If the hashes differ, a chunk that one rank stores is not found by the
others, and no single rank can see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..outcome import Outcome
from ..targets import Target, ranks
from .explanation import Chunk, Explanation, Reason

_CODES = {
    "model_name": "model-name-differs",
    "world_size": "world-size-differs",
    "chunk_hash": "chunk-hashes-differ",
}
"""The fields of a key that all ranks share, and the trouble if they do not."""
_CHUNK_SIZE = "chunk-size-differs"
_LONGEST_VALUE = 80


def add_differences(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes with the first difference between their keys as the first reason of each."""
    found = [outcome for outcome in outcomes if outcome.ok]
    reason = _difference(found) if len(found) > 1 else None
    return [_with(outcome, reason) if reason and outcome.ok else outcome for outcome in outcomes]


def differ(outcomes: Sequence[Outcome]) -> bool:
    """Return whether `add_differences` found a difference."""
    codes = {_CHUNK_SIZE, *_CODES.values()}
    return any(reason.code in codes for outcome in outcomes if outcome.ok for reason in outcome.data.reasons)


def _with(outcome: Outcome, reason: Reason) -> Outcome:
    found: Explanation = outcome.data
    return replace(outcome, data=msgspec.structs.replace(found, reasons=[reason, *found.reasons]))


def _difference(outcomes: Sequence[Outcome]) -> Reason | None:
    sizes = _groups(outcomes, [outcome.data.chunk_size for outcome in outcomes])
    if len(sizes) > 1:
        message = "The ranks split the prompt into chunks of different sizes, so all their keys differ."
        return _reason(_CHUNK_SIZE, message, {"chunk_size": sizes})
    columns = [outcome.data.chunks for outcome in outcomes]
    for chunks in zip(*columns, strict=False):
        for field in _CODES:
            values = [_shown(chunk.key.get(field)) for chunk in chunks]
            if len(set(values)) > 1:
                return _differing(chunks[0], field, _groups(outcomes, values))
    return None


def _differing(chunk: Chunk, field: str, values: dict[str, str]) -> Reason:
    message = (
        f"The ranks compute different keys for the tokens {chunk.start} to {chunk.end - 1}: their {field} differs, so "
        "a rank does not find what another one has stored."
    )
    return _reason(_CODES[field], message, {"start": chunk.start, "end": chunk.end, field: values})


def _reason(code: str, message: str, evidence: dict[str, Any]) -> Reason:
    from ...diagnostics.doctor.catalogue import troubles  # Slow to import, and needed for this case only.

    return Reason(code, message, evidence, troubles()[code].next_step)


def _groups(outcomes: Sequence[Outcome], values: Sequence[Any]) -> dict[str, str]:
    """Return the ranks that have each value."""
    found: dict[str, list[Target]] = {}
    for outcome, value in zip(outcomes, values, strict=True):
        found.setdefault(str(value), []).append(outcome.target)
    return {value: ranks(targets) for value, targets in found.items()}


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
