"""Read lists of servers over HTTP: the registry of LMCache's coordinator, and `GET /sd/prometheus`.

A registry takes registrations from the network, so its entries are not trusted: an address is a host and a port, there
is a largest number of servers, and the token goes to them only with --trust-listed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlsplit

import click
import msgspec

from .client import Client, Failure
from .credentials import BearerToken
from .targets import Target, http_url, target_at
from .text import printable

MAX_LISTED = 1024
"""The largest number of servers that a list may have."""
MAX_INDEX = 65535
"""The largest index of a rank, because each rank has a port."""
MP_ROLE = "mp_server"
"""The label `__meta_lmcache_role` of an MP server."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class _Instance(msgspec.Struct):
    ip: str
    http_port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


class _Registry(msgspec.Struct):
    instances: list[_Instance]


class Group(msgspec.Struct):
    """Targets with the same labels, in the format of Prometheus' service discovery."""

    targets: list[str]
    labels: dict[str, str | int] = {}

    @property
    def index(self) -> int | None:
        """The index of a rank; None without the label. Raises ValueError if it is not a number of 0 to `MAX_INDEX`."""
        text = self.labels.get("index")
        if text is None:
            return None
        if not 0 <= (found := int(text)) <= MAX_INDEX:
            raise ValueError(f"index {found} is not in 0 to {MAX_INDEX}")
        return found

    @property
    def is_mp(self) -> bool:
        """Whether the targets are MP servers."""
        return self.labels.get("__meta_lmcache_role") == MP_ROLE


def fetch_registry(url: str, token: BearerToken | None, seconds: float) -> list[Target]:
    """Return the MP servers that are registered with a coordinator.

    Args:
        url: the coordinator's base URL.
        token: the bearer token to send to the coordinator, or None.
        seconds: the time limit.

    Raises:
        click.ClickException: the registry cannot be read, or has an entry that cannot be used.
    """
    found = _fetch(http_url(url), "/instances", _Registry, token, seconds)
    return _listed([(_authority(each.ip, each.http_port), None, True) for each in found.instances], url)


def fetch_groups(url: str, token: BearerToken | None, seconds: float) -> list[Target]:
    """Return the servers at the URL of a list in Prometheus' format, such as `http://10.0.0.1:6999/sd/prometheus`.

    Args:
        url: the whole URL of the list.
        token: the bearer token to send to it, or None.
        seconds: the time limit.

    Raises:
        click.ClickException: the list cannot be read, or has an entry that cannot be used.
    """
    found = _fetch(url, "", list[Group], token, seconds)
    try:
        entries = [(address, group.index, group.is_mp) for group in found for address in group.targets]
    except ValueError:
        raise click.ClickException(
            f"{printable(url)} has a label `index` that is not a number from 0 to {MAX_INDEX}."
        ) from None
    return _listed(entries, url)


def _fetch(base: str, path: str, type: Any, token: BearerToken | None, seconds: float) -> Any:
    try:
        with Client(Target(base), token, seconds) as client:
            answer = client.request("GET", path)
            return answer.json(type)
    except Failure as failure:
        raise click.ClickException(f"Cannot read the servers from {printable(base + path)}: {failure}") from failure
    except ValueError as error:
        reason = printable(str(error))
        raise click.ClickException(f"{printable(base + path)} does not respond with servers ({reason}).") from error


def _listed(entries: list[tuple[str, int | None, bool]], url: str) -> list[Target]:
    if not entries:
        raise click.ClickException(f"{printable(url)} lists no servers.")
    if len(entries) > MAX_LISTED:
        raise click.ClickException(f"{printable(url)} lists {len(entries)} servers; at most {MAX_LISTED} are asked.")
    found = [
        replace(target_at(_checked(address, url), index, mp), listed=True, by_address=True)
        for address, index, mp in entries
    ]
    return list(dict.fromkeys(found))


def _checked(address: str, url: str) -> str:
    """Return the address of an entry as a URL; raises `click.ClickException` unless it is a host and a port."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname or "", parts.port
        rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username, parts.password)
        if parts.scheme in ("http", "https") and port and _is_host(host) and not any(rest):
            return f"{parts.scheme}://{_authority(host, port)}"
    except ValueError:
        pass  # An invalid port, or brackets that do not match.
    raise click.ClickException(
        f"{printable(url)} lists {printable(address[:200])!r}; expected a host and a port, or an http URL of them."
    )


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return _HOST.fullmatch(host) is not None
