"""Which servers a command talks to: by the engine's own YAML, an address, or a list of addresses."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import yaml

from ..address import Address, address_at
from ..config_file import read_config_file
from ..engine.embedded.config import CONFIG_FILE_VARIABLE, DEFINITIONS
from ..errors import ConfigError
from ..settings import PREFIX, Settings
from .units import UNKNOWN

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # Read, not bound.


@dataclass(frozen=True)
class Target:
    """One server.

    Attributes:
        url: its base URL, without a slash at the end.
        socket_path: its Unix socket, or None; the URL's host is then a formality.
        index: 0 for the scheduler, 1 + n for worker n; None where nobody said.
    """

    url: str
    socket_path: str | None = None
    index: int | None = None

    @property
    def address(self) -> str:
        """The socket's path, or the URL."""
        return self.socket_path or self.url

    @property
    def role(self) -> str:
        """What it serves, as far as the index tells."""
        if self.index is None:
            return ""
        return f"worker {self.index - 1}" if self.index else "scheduler"

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"{self.role} ({self.address})" if self.role else self.address

    def cells(self, short: bool = False) -> dict[str, object]:
        """What a table says of it, by column."""
        if short:
            return {"server": self.role or self.address}
        index = UNKNOWN if self.index is None else self.index
        return {"index": index, "role": self.role or UNKNOWN, "address": self.address}

    def public(self) -> dict[str, Any]:
        """What `--json` says of it."""
        return {"index": self.index, "role": self.role or None, "address": self.address}


def parse_indices(text: str) -> tuple[int, ...]:
    """Read `0,2-4`; raises `click.BadParameter` for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (number.strip() for number in part.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and len(last) < 6 and int(first) <= int(last)):
            raise click.BadParameter(f"expected indices such as 0,2-4, got {text!r}")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))


def ranks(targets: Sequence[Target], everyone: Sequence[Target] = ()) -> str:
    """Which servers, as `--index` takes it: `0,2-4`, or `all`; those without an index by their address."""
    if len(targets) == len(everyone):
        return "all"
    indices = sorted(target.index for target in targets if target.index is not None)
    runs = [list(run) for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])]
    parts = [str(run[0][1]) if len(run) == 1 else f"{run[0][1]}-{run[-1][1]}" for run in runs]
    return ",".join([*parts, *(target.address for target in targets if target.index is None)])


@dataclass(frozen=True)
class Source:
    """What the command line says of the servers.

    Attributes:
        config: the engine's YAML.
        urls: base URLs.
        sockets: Unix sockets.
        listed: a file of targets.
        indices: which of them; all when empty.
    """

    config: Path | None = None
    urls: Sequence[str] = ()
    sockets: Sequence[str] = ()
    listed: Path | None = None
    indices: Collection[int] = ()

    @property
    def file(self) -> Path | None:
        """The engine's YAML: `config`, or what the environment names where nothing else says where the servers are."""
        named = os.environ.get(CONFIG_FILE_VARIABLE)
        return self.config or (Path(named) if named and not (self.urls or self.sockets or self.listed) else None)

    def targets(self) -> list[Target] | Settings:
        """The targets; the config's settings where it does not say how many ranks there are.

        Raises:
            click.UsageError: the options name no servers, or contradict one another.
            click.ClickException: a file cannot be used.
        """
        if sum(map(bool, (self.file, self.urls or self.sockets, self.listed))) != 1:
            raise click.UsageError(
                f"Which servers? Give one of --config (or set {CONFIG_FILE_VARIABLE}), --url, --socket and --targets."
            )
        if self.file is not None:
            return self._of_config(self.file)
        if self.listed is not None:
            return self._chosen(read_targets(self.listed))
        if self.indices:
            raise click.UsageError("--index goes with --config and --targets; a --url or --socket is one server.")
        return [
            *(Target(_base(url)) for url in self.urls),
            *(Target("http://localhost", path) for path in self.sockets),
        ]

    def _of_config(self, path: Path) -> list[Target] | Settings:
        try:
            settings = Settings.of(SimpleNamespace(**_read(path)))
            indices = self.indices or settings.include_indices
            return targets_of(settings, indices) if indices else settings
        except ConfigError as error:
            raise click.ClickException(str(error)) from error

    def _chosen(self, targets: list[Target]) -> list[Target]:
        missing = set(self.indices) - {target.index for target in targets}
        if missing:
            raise click.UsageError(f"{self.listed} has no target with index {', '.join(map(str, sorted(missing)))}.")
        return [target for target in targets if not self.indices or target.index in self.indices]


def _read(path: Path) -> dict[str, Any]:
    """What the engine makes of the keys that say where its servers are; raises `ConfigError` for what does not fit."""
    values = read_config_file(path)
    names = [name for name in values if name in DEFINITIONS and name.startswith((PREFIX, "extra_config"))]
    try:
        return {name: DEFINITIONS[name].convert(name, values[name]) for name in names}
    except ConfigError as error:
        raise ConfigError(f"{error} ({path})") from error


def targets_of(settings: Settings, indices: Collection[int]) -> list[Target]:
    """The servers of these indices, as the engine's config places them; raises `ConfigError` for an impossible port."""
    return [_target(address_at(index, settings)) for index in sorted(indices)]


def read_targets(path: Path) -> list[Target]:
    """Read a file of targets: Prometheus' service discovery format, as GET /sd/prometheus answers it.

    A YAML or JSON list of `{targets: [host:port or URL or path of a Unix socket, …], labels: {index: …}}`;
    instead of the mapping, an address alone will do.

    Raises:
        click.ClickException: it is something else.
    """
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = [target for group in groups for target in _group(group)]
    except (OSError, yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise click.ClickException(
            f"{path} is no list of targets ({type(error).__name__}: {error}); expected items such as "
            "{targets: ['10.0.0.1:7000'], labels: {index: '1'}}"
        ) from error
    if not found:
        raise click.ClickException(f"{path} lists no targets")
    return found


def _group(group: Any) -> list[Target]:
    if isinstance(group, str):
        group = {"targets": [group]}
    index = group.get("labels", {}).get("index")
    found = [_listed(str(address)) for address in group["targets"]]
    return [Target(target.url, target.socket_path, None if index is None else int(index)) for target in found]


def _listed(address: str) -> Target:
    return Target("http://localhost", address) if address.startswith("/") else Target(_base(address))


def _base(url: str) -> str:
    return (url if "://" in url else f"http://{url}").rstrip("/")


def _target(address: Address) -> Target:
    host = _ANYWHERE.get(address.host, address.host)
    return Target(
        Address(address.index, host, address.port).url if not address.socket_path else address.url,
        address.socket_path,
        address.index,
    )
