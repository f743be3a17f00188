"""The Python process: interpreter, seed of `hash()`, host."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from typing import Any

from ...checks import Subject

FIELDS = {
    "pid": "the process id",
    "host": "the name of the host",
    "python": "the version of Python",
    "hash_seed": "PYTHONHASHSEED: null if it is not set, `0` and `random` as they are, a fingerprint of other seeds",
    "string_hash": "a fingerprint of Python's hash of a fixed string, which depends on the seed",
    "none_hash": "a fingerprint of Python's hash of None, which is an address before Python 3.12",
}


def collect(subject: Subject) -> dict[str, Any]:  # noqa: ARG001  # The signature of all collectors.
    """Return the facts of this process."""
    seed = os.environ.get("PYTHONHASHSEED") or None
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "hash_seed": shown_seed(seed),
        "string_hash": fingerprint(hash("lmcache")),
        "none_hash": fingerprint(hash(None)),
    }


def shown_seed(seed: str | None) -> str | None:
    """Return a value of PYTHONHASHSEED as a fact.

    A seed protects against prompts with chosen collisions, so only its fingerprint is shown.
    """
    return seed if seed in (None, "0", "random") else fingerprint(seed)


def fingerprint(value: object) -> str:
    """Return 16 bits of a digest: enough to compare processes, too few to find the seed or an address."""
    return f"#{hashlib.sha256(str(value).encode()).hexdigest()[:4]}"
