"""Rate limit for invalid tokens, so that clients cannot guess tokens quickly."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque

from ..errors import TooManyRequests

FAILURES = 10
WINDOW_SECONDS = 60.0
_MAX_ADDRESSES = 1000


class FailureLimiter:
    """Counts failures by network. Valid tokens are never limited.

    One client can use all addresses of an IPv6 /64 or of loopback, so each of these is one network.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str) -> None:
        """Count a failure.

        Raises:
            TooManyRequests: `FAILURES` came from the network of `address` within `WINDOW_SECONDS` (429).
        """
        network = _network_of(address)
        now = time.monotonic()
        with self._lock:
            recent = self._failures.setdefault(network, deque(maxlen=FAILURES))
            self._failures.move_to_end(network)
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures.popitem(last=False)
            wait = WINDOW_SECONDS - (now - recent[0]) if len(recent) == FAILURES else 0.0
            if wait <= 0:
                recent.append(now)
        if wait > 0:
            seconds = str(int(wait) + 1)
            raise TooManyRequests(
                f"Too many invalid tokens from {network}; try again in {seconds} s.", headers={"Retry-After": seconds}
            )


def _network_of(address: str) -> str:
    """Return the unit that is limited: an IPv4 address, an IPv6 /64, loopback, or a text that is not an address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback:
        return "loopback"
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found), 64), strict=False))
