"""The last requests of an app, for the dashboard: without query strings and bodies, which may contain secrets."""

from __future__ import annotations

import time
from collections import deque
from typing import TypedDict

from ..conversion import cut

RECENT_KEY = "lmcache_internal.limits.recent_requests"
"""The key of the `RecentRequests` in `app.extensions`."""
POLL_KEY = "HTTP_LMCACHE_INTERNAL_POLL"
"""WSGI environ key: the request is a poll of the dashboard, which would displace the others."""
KEPT = 100
"""The number of requests that are kept."""


class RecentRequest(TypedDict):
    """One request.

    Attributes:
        time: the time of the response, in seconds since the epoch.
        path: its route, such as `/backends/<name>`, or "unmatched".
        seconds: the duration until the response was created; null if it was refused before it began.
    """

    time: float
    method: str
    path: str
    status: int
    seconds: float | None


class RecentRequests:
    """Keeps the last `KEPT` requests. Any thread may add one, without a lock."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, str, str, int, float | None]] = deque(maxlen=KEPT)

    def add(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Add a request, unless it is for the page of the dashboard."""
        if route == "/ui" or route.startswith("/ui/"):
            return
        self._kept.append((time.time(), cut(method), route, status, seconds))

    def slowest_first(self) -> list[RecentRequest]:
        """Return the requests, slowest first."""
        entries = sorted(self._kept.copy(), key=lambda entry: -(entry[4] or 0.0))
        return [
            {"time": at, "method": method, "path": route, "status": status, "seconds": seconds}
            for at, method, route, status, seconds in entries
        ]
