"""Name the servers that a command talks to.

A `Target` is one server. Its index comes from the engine's configuration, from a list of targets, or from the server
itself; commands, tables and hints all name servers through it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import click

from ..conversion import cut, shown
from ..settings import Settings
from ..settings.address import Address, address_at
from .pods.names import SCHEME, PodName, parse_address
from .text import printable
from .units import UNKNOWN

MAX_INDICES = 4096
"""The most ranks that one text may name. The annotations of pods have such texts, too."""
_LONGEST_ADDRESS = 200
_RANK_HINT = "is the engine running, and internal_api_server_enabled true"
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # Read, not bound.


@dataclass(frozen=True)
class Target:
    """One server.

    Attributes:
        url: the base URL, without a trailing slash.
        socket_path: the Unix socket, or None; the URL's host is then not used.
        index: 0 for the scheduler, 1 + n for worker n; None if unknown.
        by_address: whether the user chose it by its address; two such servers may have the same index.
        pod: the pod of a Kubernetes cluster, or None; the URL is that of the server inside the pod.
        mp: whether it is an MP server, LMCache's or ours; such a server has no index.
        listed: whether a list that was read over HTTP names it; the user has not chosen its address.
    """

    url: str
    socket_path: str | None = None
    index: int | None = None
    by_address: bool = False
    pod: PodName | None = None
    mp: bool = False
    listed: bool = False

    @property
    def address(self) -> str:
        """The socket's path, the URL, or the pod and the port."""
        return f"{SCHEME}{self.pod}:{self.port}" if self.pod else self.socket_path or self.url

    @property
    def port(self) -> int:
        """The port of the URL; raises ValueError if it is not a port."""
        return urlsplit(self.url).port or 80

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the address: a Unix socket, or loopback."""
        return Address(0, urlsplit(self.url).hostname or "", 0, self.socket_path).is_private

    @property
    def role(self) -> str:
        """The role and the worker's number; empty if it is unknown."""
        if self.mp:
            return "MP server"
        if self.index is None:
            return ""
        return f"worker {self.index - 1}" if self.index else "scheduler"

    @property
    def name(self) -> str:
        """The name in a message: role and address."""
        return f"{self.role} ({self.address})" if self.role else self.address

    @property
    def short_name(self) -> str:
        """The shortest name that no other server of the command has."""
        return self.name if self.by_address else self.role or self.address

    def cells(self, short: bool = False) -> dict[str, object]:
        """Return the columns of a table that name the server."""
        if short:
            return {"server": self.short_name}
        index = UNKNOWN if self.index is None else self.index
        return {"index": index, "role": self.role or UNKNOWN, "address": self.address}

    def public(self) -> dict[str, Any]:
        """Return the fields that name the server in `--json`."""
        return {"index": self.index, "role": self.role or None, "address": self.address}

    def options(self) -> list[str]:
        """Return the options that choose this server by its address."""
        return ["--socket", self.socket_path] if self.socket_path else ["--url", self.address]


def parse_indices(text: str) -> tuple[int, ...]:
    """Read `0,2-4`; raises `click.BadParameter` for anything else."""
    found: set[int] = set()
    left = MAX_INDICES
    for part in text.split(","):
        first, dash, last = (number.strip() for number in part.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and len(last) < 6 and int(first) <= int(last)):
            raise click.BadParameter(f"expected numbers such as 0,2-4, got {shown(text)}")
        left -= int(last) - int(first) + 1
        if left < 0:
            raise click.BadParameter(f"expected at most {MAX_INDICES} numbers, got {shown(text)}")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))


def format_numbers(numbers: Collection[int]) -> str:
    """Write numbers as `parse_indices` reads them: `0,2-4`."""
    runs = [list(run) for _, run in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0][1]) if len(run) == 1 else f"{run[0][1]}-{run[-1][1]}" for run in runs)


def names_of(targets: Sequence[Target]) -> str:
    """Return the servers for a message: one with its address, several as `scheduler, workers 0-3`."""
    return targets[0].name if len(targets) == 1 else named([target.short_name for target in targets])


def named(names: Sequence[str]) -> str:
    """Return names of servers on one line; workers as numbers: `scheduler, workers 0-3`."""
    numbers = [int(found[1]) for name in names if (found := re.fullmatch(r"worker (\d{1,6})", name))]
    others = [name for name in names if not re.fullmatch(r"worker (\d{1,6})", name)]
    workers = f"worker{'s' * (len(numbers) > 1)} {format_numbers(numbers)}" if numbers else ""
    return ", ".join(filter(None, [*others, workers]))


def ranks(targets: Sequence[Target], everyone: Sequence[Target] = ()) -> str:
    """Return the servers as `--index` takes them: `0,2-4`, or `all`; the others by their addresses."""
    if len(targets) == len(everyone):
        return "all"
    numbered = [target.index for target in targets if target.index is not None and not target.by_address]
    others = [target.address for target in targets if target.index is None or target.by_address]
    return ",".join([*([format_numbers(numbered)] if numbered else []), *others])


def unreachable_message(targets: Sequence[Target]) -> str:
    """Return the message for a command to which no server answers."""
    hosts, ports = set(), []
    for target in targets:
        try:
            hosts.add(str(target.pod) if target.pod else target.socket_path or urlsplit(target.url).hostname)
            ports.append(target.port)
        except ValueError:
            hosts.add(target.url)
    if len(hosts) == 1 and len(targets) > 1:
        where = f"ports {format_numbers(ports)}"
        where = where if hosts <= {"127.0.0.1", "localhost", "::1"} else f"{hosts.pop()}, {where}"
    else:
        where = ", ".join(target.address for target in targets[:3])
        where += f" and {len(targets) - 3} more" if len(targets) > 3 else ""
    hint = "is `lmcache server` running" if all(target.mp for target in targets) else _RANK_HINT
    portless = " An address has no port; the scheduler listens on 6999, worker n on 7000 + n."
    return f"No server answers on {printable(where)}; {hint}?{portless if any(map(_has_no_port, targets)) else ''}"


def _has_no_port(target: Target) -> bool:
    return not (target.pod or target.socket_path) and urlsplit(target.url).port is None


def targets_of(settings: Settings, indices: Collection[int]) -> list[Target]:
    """Return the servers of these indices; raises `ConfigError` for a port out of range."""
    return [_target(address_at(index, settings)) for index in sorted(indices)]


def target_at(address: str, index: int | None = None, mp: bool = False) -> Target:
    """Return the server at a URL, at `host:port`, at the path of a Unix socket, or in a pod.

    Raises:
        click.UsageError: the address is none of these.
    """
    if address.startswith(SCHEME):
        pod, port = parse_address(address)
        return Target(f"http://127.0.0.1:{port}", None, index, by_address=index is None, pod=pod, mp=mp)
    if address.startswith("/"):
        return Target("http://localhost", address, index, by_address=index is None, mp=mp)
    return Target(http_url(address), None, index, by_address=index is None, mp=mp)


def http_url(address: str) -> str:
    """Return the base URL of a server or list; raises `click.UsageError` if it is not an HTTP URL with a valid port."""
    url = (address if "://" in address else f"http://{address}").rstrip("/")
    name = printable(cut(address, _LONGEST_ADDRESS))
    if not url.lower().startswith(("http://", "https://")):
        raise click.UsageError(f"{name!r} is not an http or https URL.")
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass  # A port that is no number up to 65535, or brackets that do not match.
    raise click.UsageError(
        f"{name!r} has no host or no valid port; expected an address such as 10.0.0.1:7000, or [::1]:7000 for IPv6."
    )


def _target(address: Address) -> Target:
    host = _ANY_ADDRESS.get(address.host, address.host)
    return Target(
        Address(address.index, host, address.port).url if not address.socket_path else address.url,
        address.socket_path,
        address.index,
    )
