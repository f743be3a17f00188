"""Read where the servers are: from the engine's YAML, addresses, a list of targets, or a coordinator.

Without any option, the defaults of the engine apply: the file that `LMCACHE_CONFIG_FILE` names, or the default ports.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import msgspec
import yaml

from ..engine.embedded.config import CONFIG_FILE_VARIABLE, DEFINITIONS
from ..engine.embedded.environment import ENV_PREFIX
from ..errors import ConfigError
from ..settings import PREFIX, Settings
from ..settings.config_file import read_config_file
from .credentials import BearerToken
from .registries import Group, fetch_groups, fetch_registry
from .targets import Target, format_numbers, target_at, targets_of


@dataclass(frozen=True)
class Source:
    """The options that choose servers.

    Attributes:
        config: the engine's YAML.
        urls: base URLs.
        sockets: paths of Unix sockets.
        listed: a file of targets, or the URL of one.
        indices: the ranks; all if empty.
        kubernetes: pods of Kubernetes clusters, as `--kubernetes` names them.
        coordinator: the base URL of LMCache's coordinator, where MP servers register.
    """

    config: Path | None = None
    urls: Sequence[str] = ()
    sockets: Sequence[str] = ()
    listed: str | None = None
    indices: Collection[int] = ()
    kubernetes: Sequence[str] = ()
    coordinator: str | None = None

    @property
    def file(self) -> Path | None:
        """The engine's YAML: `config`, or the file that the environment names if no other option chooses servers."""
        named = os.environ.get(CONFIG_FILE_VARIABLE)
        return self.config or (Path(named) if named and not any(self._others) else None)

    @property
    def _others(self) -> tuple[object, ...]:
        """The options other than `--config`; at most one of them may be given."""
        return self.urls or self.sockets, self.listed, self.coordinator, self.kubernetes

    @property
    def is_live(self) -> bool:
        """Whether the list of servers is read over HTTP, so that another search may find others."""
        return self.coordinator is not None or (self.listed is not None and _is_url(self.listed))

    @property
    def is_fixed(self) -> bool:
        """Whether the user named each server, so that another search finds the same ones."""
        return bool(self.urls or self.sockets)

    def check(self) -> None:
        """Raise `click.UsageError` if the options contradict each other."""
        if sum(map(bool, (self.file, *self._others))) > 1:
            raise click.UsageError(
                "Give only one of --config, --targets, --coordinator, --kubernetes, and --url or --socket."
            )
        if self.coordinator is not None and self.indices:
            raise click.UsageError("--index, --worker and --scheduler do not go with --coordinator.")

    @property
    def is_given(self) -> bool:
        """Whether an option or the environment chooses servers."""
        return bool(self.file or any(self._others) or self.indices)

    def targets(self, token: BearerToken | None = None, seconds: float = 10.0) -> list[Target] | Settings:
        """Return the targets, or the configuration's settings if it does not say how many ranks there are.

        Args:
            token: the bearer token to send to a coordinator or to the URL of a list, or None.
            seconds: the time limit for such a request.

        Raises:
            click.UsageError: the options contradict each other.
            click.ClickException: a file or a list cannot be used.
        """
        if self.coordinator is not None:
            return fetch_registry(self.coordinator, token, seconds)
        if self.listed is not None:
            return self._chosen(
                fetch_groups(self.listed, token, seconds) if _is_url(self.listed) else read_targets(Path(self.listed))
            )
        if not (self.urls or self.sockets):
            return self._of_config(self.file)
        if self.indices:
            raise click.UsageError(
                "--index, --worker and --scheduler go with --config, --targets and --kubernetes, not with addresses."
            )
        return [
            *map(target_at, self.urls),
            *(Target("http://localhost", path, by_address=True) for path in self.sockets),
        ]

    def options(self, targets: Sequence[Target]) -> list[str]:
        """Return the options that choose these servers and no others."""
        if any(target.index is None or target.by_address for target in targets):
            # A change of several servers needs --all if they are chosen by address.
            return [*(option for target in targets for option in target.options()), *["--all"] * (len(targets) > 1)]
        where = ["--config", str(self.file)] if self.file else ["--targets", str(self.listed)] if self.listed else []
        return [*where, "--index", format_numbers([target.index for target in targets if target.index is not None])]

    def _of_config(self, path: Path | None) -> list[Target] | Settings:
        try:
            settings = settings_from(read_config_file(path), str(path)) if path else default_settings()
            indices = self.indices or settings.include_indices
            return targets_of(settings, indices) if indices else settings
        except ConfigError as error:
            raise click.ClickException(str(error)) from error

    def _chosen(self, targets: list[Target]) -> list[Target]:
        missing = set(self.indices) - {target.index for target in targets}
        if missing:
            raise click.UsageError(f"{self.listed} has no target with index {format_numbers(missing)}.")
        return [target for target in targets if not self.indices or target.index in self.indices]


def default_settings() -> Settings:
    """Return the settings of an engine without a configuration file: from its environment variables, or the defaults.

    Raises:
        ConfigError: a variable cannot be used.
    """
    variables = {name: os.environ.get(f"{ENV_PREFIX}{name.upper()}") for name in DEFINITIONS}
    return settings_from({name: value for name, value in variables.items() if value}, "from the environment")


def settings_from(values: Mapping[str, Any], source: str) -> Settings:
    """Return the settings of the server among configuration values, as the engine converts them.

    Args:
        values: configuration values by name.
        source: where they come from, for the message of an error.

    Raises:
        ConfigError: a value cannot be used.
    """
    names = [name for name in values if name in DEFINITIONS and name.startswith((PREFIX, "extra_config"))]
    try:
        return Settings.of(SimpleNamespace(**{name: DEFINITIONS[name].convert(name, values[name]) for name in names}))
    except ConfigError as error:
        raise ConfigError(f"{error} ({source})") from error


def read_targets(path: Path) -> list[Target]:
    """Read a file of targets in Prometheus' service discovery format, as GET /sd/prometheus answers it.

    The file is a YAML or JSON list of `{targets: [address, …], labels: {index: …}}`, or of addresses. An address is
    `host:port`, a URL, or the path of a Unix socket. MP servers have no index and the label
    `__meta_lmcache_role: mp_server`; without labels, each server is asked what it is.

    Raises:
        click.ClickException: the file cannot be read, or has another format.
    """
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(groups, dict):
            raise TypeError("it has keys; if it is the engine's configuration, use --config")
        found = [target for group in groups for target in _group(group)]
    except OSError as error:
        raise click.ClickException(f"Cannot read the list of targets {path}: {error.strerror}") from error
    except click.UsageError as error:
        raise click.ClickException(f"{path} lists an address that cannot be used: {error.message}") from error
    except (
        yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError, RecursionError
    ) as error:  # fmt: skip
        raise click.ClickException(
            f"{path} is not a list of targets ({type(error).__name__}: {error}); expected items such as "
            "{targets: ['10.0.0.1:7000'], labels: {index: '1'}}"
        ) from error
    if not found:
        raise click.ClickException(f"{path} lists no targets")
    ranks = Counter(target.index for target in set(found))
    # Several engines have a worker 0. Only its address names one of them.
    return [replace(target, by_address=True) if ranks[target.index] > 1 else target for target in found]


def _is_url(listed: str) -> bool:
    return listed.lower().startswith(("http://", "https://"))


def _group(group: Any) -> list[Target]:
    if isinstance(group, str):
        group = {"targets": [group]}
    found = msgspec.convert(group, Group, strict=False)
    return [target_at(address, found.index, found.is_mp) for address in found.targets]
