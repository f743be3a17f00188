"""Normalize paths, socket prefixes and hosts from a configuration."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import socket

from ..errors import ConfigError

ALL_ADDRESSES = "::"
"""The host that means every IPv6 and IPv4 address of the machine."""

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_NUMBERS = re.compile(r"[0-9a-fA-FxX.]*[0-9][0-9a-fA-FxX.]*")


def expand_path(key: str, text: str) -> str:
    """Return `text` with `~` and `$VARIABLE` replaced.

    Args:
        key: the key of the setting, for the error message.
        text: the path.

    Raises:
        ConfigError: a variable is not set, or there is no such home directory.
    """
    path = os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111  # A Path would drop a slash at the end.
    unset = _VARIABLE.search(path)
    if unset:
        raise ConfigError(f"{key}: the variable {unset[1]} in {text!r} is not set")
    if path.startswith("~"):
        raise ConfigError(f"{key}: there is no home directory for {text!r}; write the path in full")
    return path


def socket_prefix(key: str, text: str) -> str:
    """Return the path for a prefix of Unix sockets: `/run/x` for `unix:///run/x`.

    Raises:
        ConfigError: it names an abstract socket, or a variable that is not set.
    """
    path = expand_path(key, re.sub(r"^unix:(//)?", "", text))
    if path.startswith("@") or "\0" in path:
        raise ConfigError(f"{key}: {text!r} names an abstract socket, which every user could connect to; give a path")
    return path


@functools.lru_cache(maxsize=16)  # Settings are read for each request.
def bound_host(text: str) -> str:
    """Return the host to bind in its standard form: `::` for `*`, `::1` for `[::1]`, `0.0.0.0` for `0`."""
    host = text.strip()
    if host == "*":
        return ALL_ADDRESSES
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if _NUMBERS.fullmatch(host) else host
    except OSError:
        return host
