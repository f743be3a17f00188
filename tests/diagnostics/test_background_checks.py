"""The thread that runs the health checks of a scrape."""

from __future__ import annotations

from weakref import WeakSet

from lmcache_internal.diagnostics.background_checks import BackgroundChecks
from lmcache_internal.diagnostics.health import Health


class Gone(WeakSet[Health]):
    """A set whose only entry has been collected and not removed yet, as during another iteration of a WeakSet."""

    def __len__(self) -> int:
        return 1


def test_an_app_that_is_gone_does_not_end_the_thread() -> None:
    checks = BackgroundChecks()
    checks._wanted = Gone()
    assert checks._run_next()
