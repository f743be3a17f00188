"""The Python process: interpreter, seed of `hash()`, host."""

from __future__ import annotations

import os
import platform
import socket
from typing import Any

from ...checks import Subject
from ..seeds import fingerprint, shown_seed

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
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "hash_seed": shown_seed(os.environ.get("PYTHONHASHSEED")),
        "string_hash": fingerprint(hash("lmcache")),
        "none_hash": fingerprint(hash(None)),
    }
