"""Count the workers that an MP engine removes because they are silent.

LMCache removes such a worker, and a worker that only was idle does not register again: from then on, it has no cache.
The engine reports neither, so this thread compares what the engine knows from moment to moment. It changes nothing.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any
from weakref import WeakSet

from msgspec import Struct

from ...redaction.log_lines import get_logger
from .runtime import MPRuntime, WorkerState

logger = get_logger(__name__)

MOST_SECONDS = 5.0
"""The longest interval between two samples."""
MOST_MISSING = 100
"""Removed workers that are remembered by their ids."""
_REAPED = re.compile(r"reaped=([0-9]{1,9})")
_JUST_NOW = 4
"""Samples after which a worker that has gone was not removed by the scan that is reported now."""


class WorkerCounts(Struct, frozen=True):
    """The workers of an engine at the last sample.

    Attributes:
        registered: the registered workers.
        removed: how many were removed as silent since the start.
        missing: those of them that have not registered again, with the time of the removal, in seconds since the epoch.
    """

    registered: tuple[WorkerState, ...] = ()
    removed: int = 0
    missing: tuple[tuple[int, float], ...] = ()

    @property
    def idle(self) -> list[WorkerState]:
        """The workers that have been silent for more than half of the time after which they are removed."""
        return [worker for worker in self.registered if worker.is_idle]


class WorkerWatch:
    """Samples the workers of one engine in a thread.

    Args:
        runtime: the surroundings of the engine.
    """

    def __init__(self, runtime: MPRuntime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._runs = self._removed = 0
        self._known: frozenset[int] = frozenset()
        self._gone: dict[int, int] = {}
        self._missing: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="mp-worker-watch", daemon=True)
        self.counts = WorkerCounts()

    def start(self) -> None:
        """Sample until `stop`."""
        watches.add(self)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for at most 1 s: the engine may not respond."""
        watches.discard(self)
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def sample(self) -> float:
        """Compare the workers with those of the last sample; return the seconds until the next."""
        with self._lock:
            workers = tuple(self._runtime.workers())
            # The scan is read after the workers: those that it has removed are gone from them, or will be in this run.
            reaper = self._reaper()
            now = frozenset(worker.instance_id for worker in workers)
            self._gone = {worker: age + 1 for worker, age in self._gone.items() if age < _JUST_NOW}
            self._gone.update(dict.fromkeys(self._known - now, 0))
            self._known = now
            removed = self._removed_since(reaper)
            if removed:
                self._remember(removed)
            self._missing = {worker: at for worker, at in self._missing.items() if worker not in now}
            self.counts = WorkerCounts(workers, self._removed, tuple(self._missing.items()))
        return MOST_SECONDS if reaper is None else min(MOST_SECONDS, max(0.05, reaper["interval"] / 2))

    def _removed_since(self, reaper: dict[str, Any] | None) -> int:
        if reaper is None or reaper["total_runs"] == self._runs:
            return 0
        self._runs = reaper["total_runs"]
        summary = reaper["last_summary"]
        found = _REAPED.search(summary["message"]) if summary else None
        return int(found[1]) if found else 0

    def _remember(self, removed: int) -> None:
        self._removed += removed
        gone = list(self._gone)[-removed:]
        for worker in gone:
            del self._gone[worker]
        kept = list((self._missing | dict.fromkeys(gone, time.time())).items())
        self._missing = dict(kept[-MOST_MISSING:])
        logger.warning(
            "The engine has removed %d workers as silent (instances %s). A worker that still runs has no cache until "
            "it registers again: restart it.",
            removed,
            ", ".join(map(str, gone)) or "unknown",
        )

    def _reaper(self) -> dict[str, Any] | None:
        threads = self._runtime.periodic_threads()
        return next((thread for thread in threads if "reaper" in thread["name"]), None)

    def _run(self) -> None:
        seconds = 0.0
        while not self._stopped.wait(seconds):
            try:
                seconds = self.sample()
            except Exception as error:  # An engine may raise anything, and a sample is no reason to end.
                logger.debug("The workers cannot be read: %s", error)
                seconds = MOST_SECONDS


watches: WeakSet[WorkerWatch] = WeakSet()
"""The running watches of this process."""
