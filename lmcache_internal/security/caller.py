"""Who is asking: what the connection itself proves about the client."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

_FORWARDING = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP")


def is_local(environ: Mapping[str, Any]) -> bool:
    """Whether the client is on this machine: a Unix socket or loopback, and no proxy in between."""
    if any(header in environ for header in _FORWARDING):
        return False
    address = environ.get("REMOTE_ADDR") or ""
    if address == "localhost":  # What waitress calls the peer of a Unix socket.
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
