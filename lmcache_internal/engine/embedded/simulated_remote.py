"""A simulated remote backend: it keeps chunks in memory, is slow, and sometimes fails."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...redaction.log_lines import get_logger
from .chunks import ChunkKey
from .local_cpu import LocalCPUBackend

logger = get_logger(__name__)

SETTING = "embedded_simulated_remote_size"
"""The key in `extra_config` of the backend's size in GiB; without it, there is no such backend."""

_SECONDS = 0.005
_SLOW_EVERY, _SLOW_SECONDS = 25, 0.2
_PERIOD, _OUTAGE = 200, 40
"""Of each 200 calls, the last 40 fail."""


class SimulatedRemoteBackend(LocalCPUBackend):
    """Chunks in memory, with the delays and outages of a remote backend.

    A call takes 5 ms, and each 25th call 200 ms. An outage begins after 160 calls and lasts for 40 calls. This depends
    only on the number of calls, so that the same requests have the same failures.

    Args:
        max_size: memory for chunks in GiB.
        sleep: waits for a number of seconds.

    Attributes:
        failed_reads: number of chunks that could not be read.
        failed_writes: number of chunks that could not be written.
    """

    def __init__(self, max_size: float, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(max_size)
        self.failed_reads = self.failed_writes = 0
        self._calls = 0
        self._sleep = sleep

    @property
    def outage(self) -> str | None:
        """The reason why the backend is unreachable; None if it is reachable."""
        done = self._calls % _PERIOD - (_PERIOD - _OUTAGE)
        return f"a simulated outage, for {_OUTAGE - done} more calls" if done >= 0 else None

    def put(self, key: ChunkKey, data: bytes) -> bool:
        """Store a chunk; return False if there is no room, or during an outage."""
        if self._is_reached("write", key):
            return super().put(key, data)
        self.failed_writes += 1
        return False

    def get(self, key: ChunkKey) -> bytes | None:
        """Return the chunk's bytes; None if it is not stored, or during an outage."""
        if not self.contains(key):
            return None
        if self._is_reached("read", key):
            return super().get(key)
        self.failed_reads += 1
        return None

    def _is_reached(self, action: str, key: ChunkKey) -> bool:
        before, self._calls = self.outage, self._calls + 1
        self._sleep(_SLOW_SECONDS if self._calls % _SLOW_EVERY == 0 else _SECONDS)
        if before is None:
            if self.outage:
                logger.warning("The remote backend is unreachable: %s", self.outage)
            return True
        logger.debug("Cannot %s chunk %s: %s", action, key, before)
        if self.outage is None:
            logger.warning("The remote backend is reachable again")
        return False
