"""How this rank makes the keys of chunks."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ....engine.select import runtime_of
from ...checks import Subject
from ..seeds import fingerprint

FIELDS = {
    "function": "the hash function that is in use, such as `builtin`; `pre_caching_hash_algorithm` may name another",
    "depends_on_seed": "whether the keys depend on PYTHONHASHSEED",
    "example": "a fingerprint of the hash of the first chunk of the tokens 0, 1, 2, …; the same in ranks that agree",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return how the engine hashes chunks; nothing if it does not say."""
    if kind_of(subject.manager) == "mp":
        return {}
    found = runtime_of(subject.manager).hashing()
    if found is None:
        return {}
    return {
        "function": found.function,
        "depends_on_seed": found.depends_on_seed,
        "example": fingerprint(found.example),
    }
