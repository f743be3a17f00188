"""The addresses of schedulers and workers, computed from their manager and settings."""

from __future__ import annotations

import ipaddress
import shlex
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ConfigError
from .model import Settings

ADDRESS_KEY = "lmcache_internal.address"
"""WSGI environ key: the `Address` that received the request. Only our own server sets it."""


_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104  # Compared, not bound.


class Address(Struct, frozen=True):
    """A TCP address, or a Unix socket when `socket_path` is set.

    Attributes:
        index: 0 for the scheduler, 1 + worker_id for a worker.
        host: name or IP address to bind.
        port: `port_start + index`; also part of the socket's name.
        socket_path: the Unix socket's path, or None for TCP.
    """

    index: int
    host: str
    port: int
    socket_path: str | None = None

    def __str__(self) -> str:
        return self.socket_path or self.url

    @property
    def url(self) -> str:
        """The base URL. For a Unix socket, the host name has no meaning."""
        if self.socket_path:
            return "http://localhost"
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port in the form of a URL: `127.0.0.1:7000`, `[::1]:7000`."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def role(self) -> str:
        """The role of the process: "scheduler" or "worker"."""
        return "worker" if self.index else "scheduler"

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the address: a Unix socket, or loopback."""
        if self.socket_path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def reached_as(self, host: str) -> Address:
        """Return the address with `host`, the client's name for this machine, if it is bound to all addresses."""
        return replace(self, host=host) if host and self.host in _ALL_ADDRESSES else self

    def curl(self, path: str) -> str:
        """Return a curl command line that fetches `path` from this address, quoted for a shell."""
        option = ["--unix-socket", self.socket_path] if self.socket_path else []
        return shlex.join(["curl", *option, f"{self.url}{path}"])


def index_of(manager: Any) -> int:
    """Return the index of an LMCache manager: 0 without an engine (scheduler), else 1 + worker_id."""
    engine = manager.lmcache_engine
    return 0 if engine is None else 1 + int(engine.metadata.worker_id)


def address_of(manager: Any, settings: Settings) -> Address:
    """Return the address of `manager`'s server; raise `ConfigError` if the port is out of range."""
    return address_at(index_of(manager), settings)


def address_at(index: int, settings: Settings) -> Address:
    """Return the address of the server with that index; raise `ConfigError` if the port is out of range."""
    port = _port("internal_api_server_port_start", settings.port_start, index)
    prefix = settings.socket_path_prefix
    return Address(index, settings.host, port, f"{prefix}_{port}" if prefix else None)


def public_address_of(manager: Any, settings: Settings) -> Address | None:
    """Return the separate address for public routes, or None; raise `ConfigError` if the port is out of range."""
    return public_address_at(index_of(manager), settings)


def public_address_at(index: int, settings: Settings) -> Address | None:
    """Return the separate address for public routes of the server with that index, or None.

    Raises:
        ConfigError: the port is out of range.
    """
    if settings.public_port_start is None:
        return None
    name = "extra_config.internal_api_server_public_port_start"
    return Address(index, settings.public_host, _port(name, settings.public_port_start, index))


def serves(index: int, settings: Settings) -> bool:
    """Return whether the process with that index runs a server."""
    return settings.enabled and (not settings.include_indices or index in settings.include_indices)


def ranks_of(settings: Settings, world_size: int) -> list[Address]:
    """Return the addresses of the scheduler and the `world_size` workers of one model.

    Raises:
        ConfigError: a port is out of range.
    """
    return [address_at(index, settings) for index in range(1 + world_size) if serves(index, settings)]


def scrape_targets(settings: Settings, world_size: int) -> list[Address]:
    """Return the addresses that Prometheus scrapes: the public ones if configured, and never a Unix socket."""
    ranks = [public_address_at(rank.index, settings) or rank for rank in ranks_of(settings, world_size)]
    return [rank for rank in ranks if not rank.socket_path]


def _port(name: str, start: int, index: int) -> int:
    if not 0 < start + index < 65536:
        raise ConfigError(
            f"{name}: {start} + index {index} = {start + index} is not a TCP port; "
            "choose a start between 1 and 65535 minus the highest index"
        )
    return start + index
