"""Remember which chunks were cached when a prompt was explained before.

LMCache keeps no record of evicted chunks. A chunk that was in a backend then, and is in no backend now, was removed.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from msgspec import Struct, structs

from ...engine.prefix import KeyParts, PrefixChunk

SEEN_KEY = "lmcache_internal.diagnostics.explain.seen"
"""The key of the app's `Seen` in `app.extensions`."""

MAX_SEEN = 16384
"""The most chunks that are remembered, about 10 MB; the oldest are forgotten first."""


class Sight(Struct, frozen=True):
    """When a chunk was seen last, in seconds since the epoch, and in which backends."""

    at: float
    backends: tuple[str, ...]


class Seen:
    """The cached chunks of the prompts that were explained."""

    def __init__(self) -> None:
        self._sights: OrderedDict[Hashable, Sight] = OrderedDict()
        self._lock = threading.Lock()

    def update(self, chunks: Iterable[PrefixChunk]) -> None:
        """Remember the chunks that are in a backend."""
        now = time.time()
        with self._lock:
            for chunk in chunks:
                if chunk.backends:
                    identity = _identity(chunk.key)
                    self._sights[identity] = Sight(now, chunk.backends)
                    self._sights.move_to_end(identity)
            while len(self._sights) > MAX_SEEN:
                self._sights.popitem(last=False)

    def last(self, key: KeyParts) -> Sight | None:
        """Return when and where a chunk was seen last; None if it was not seen."""
        return self._sights.get(_identity(key))


def _identity(key: KeyParts) -> Hashable:
    tags = None if key.tags is None else tuple(key.tags.items())
    return *structs.astuple(structs.replace(key, tags=None)), tags
