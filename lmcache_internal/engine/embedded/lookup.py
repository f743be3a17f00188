"""The scheduler's lookups in the workers' caches, with optional statistics."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from .cache_engine import EmbeddedEngine
from .chunks import chunk_keys
from .metadata import EmbeddedMetadata


class TokenLookup(Protocol):
    """An object that knows which tokens are cached: an engine, or a link to one in another process."""

    def lookup(self, tokens: Sequence[int], /) -> int:
        """Return the number of cached tokens of the prefix."""


class EmbeddedLookupServer:
    """The worker's side: it returns the number of tokens of a prefix that its engine has cached."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine

    def lookup(self, tokens: Sequence[int]) -> int:
        """Return the number of cached tokens of the prefix."""
        return self._engine.lookup(tokens)


class EmbeddedLookupClient:
    """The scheduler's side: a token is cached if all workers have it."""

    def __init__(self, engines: Sequence[TokenLookup]) -> None:
        self._engines = engines

    def lookup(self, tokens: Sequence[int]) -> int:
        """Return the number of tokens cached by all workers; 0 without workers."""
        return min((engine.lookup(tokens) for engine in self._engines), default=0)


class EmbeddedStatisticsClient(EmbeddedLookupClient):
    """A lookup client that counts all chunks and unique chunks of the lookups."""

    def __init__(self, engines: Sequence[TokenLookup], metadata: EmbeddedMetadata) -> None:
        super().__init__(engines)
        self._metadata = metadata
        self._lock = threading.Lock()
        self._enabled = False
        self._requests = self._chunks = 0
        self._seen: set[str] = set()

    def lookup(self, tokens: Sequence[int]) -> int:
        """Look up tokens as without statistics; count complete chunks while statistics are enabled."""
        if self._enabled:
            hashes = [key.chunk_hash for _, key in chunk_keys(tokens, self._metadata)]
            with self._lock:
                self._requests += 1
                self._chunks += len(hashes)
                self._seen.update(hashes)
        return super().lookup(tokens)

    def start_statistics(self) -> None:
        """Start counting."""
        self._enabled = True

    def stop_statistics(self) -> None:
        """Stop counting; the counts are kept."""
        self._enabled = False

    def reset_statistics(self) -> None:
        """Reset the counts to zero."""
        with self._lock:
            self._requests = self._chunks = 0
            self._seen.clear()

    def get_statistics(self) -> dict[str, Any]:
        """Return the counts."""
        with self._lock:
            unique = len(self._seen)
            return {
                "enabled": self._enabled,
                "total_requests": self._requests,
                "total_chunks": self._chunks,
                "unique_chunks": unique,
                "duplicate_chunks": self._chunks - unique,
                "reuse_rate": (self._chunks - unique) / self._chunks if self._chunks else 0.0,
            }
