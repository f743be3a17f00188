"""Show the seed of `hash()`, and what depends on it, without revealing it."""

from __future__ import annotations

import hashlib


def shown_seed(seed: str | None) -> str | None:
    """Return a value of PYTHONHASHSEED as a fact.

    A seed protects against prompts with chosen collisions, so only its fingerprint is shown.
    """
    return seed or None if seed in (None, "", "0", "random") else fingerprint(seed)


def fingerprint(value: object) -> str:
    """Return 16 bits of a digest: enough to compare processes, too few to find the seed or an address."""
    return f"#{hashlib.sha256(str(value).encode()).hexdigest()[:4]}"
