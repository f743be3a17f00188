"""The options that every command of the fleet takes, after its name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from ..settings import Settings
from .client import Client
from .credentials import BearerToken, token_from, uid_of
from .fleet import Fleet
from .output import Screen
from .targets import Source, Target, parse_indices, targets_of

Command = Callable[..., None]

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = [
    click.option("--config", type=_FILE, help="The engine's YAML, which says where its servers listen."),
    click.option("--url", "urls", multiple=True, help="A server's address; may be given again."),
    click.option("--socket", "sockets", multiple=True, help="A server's Unix socket; may be given again."),
    click.option("--targets", "listed", type=_FILE, help="A file of addresses, as GET /sd/prometheus answers it."),
    click.option(
        "--index", "indices", default="", help="Which ranks: 0 is the scheduler, 1 + n worker n; as in 0,2-4."
    ),
    click.option("--all", "everyone", is_flag=True, help="All ranks; the default where nothing is changed."),
    click.option("--token-file", type=click.Path(dir_okay=False), help="A file that holds the token to send."),
    click.option(
        "--peer-user",
        "peer_users",
        multiple=True,
        help="A user, by name or number, besides root and you, whose server on a Unix socket may be sent the token; "
        "may be given again.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with an entry for each server."),
    click.option("--color/--no-color", default=None, help="Color; by default where the output is a terminal."),
]

ENGINE_SECONDS = 35.0
"""What calls into the engine get: a little more than a server gives them, which then says what is stuck."""

_PROBED = range(8)
"""The indices that are asked how many ranks there are, where the config does not say."""


def fleet_options(
    changes: bool | Callable[[Mapping[str, Any]], bool] = False, seconds: float = 10.0, engines: bool = False
) -> Callable[[Command], Command]:
    """Give a command the options that name servers; its function gets a `Fleet` of them first.

    Args:
        changes: it changes something, or does so with these other options: of several servers, the caller must
            say which.
        seconds: how long to wait for answers, unless `--timeout` says otherwise.
        engines: it is for workers: the scheduler, which has no engine, is asked only where `--index` names it.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(timeout: float, **given: Any) -> None:
            _require_extra()
            source = Source(
                given.pop("config"),
                given.pop("urls"),
                given.pop("sockets"),
                given.pop("listed"),
                _indices(given.pop("indices")),
            )
            everyone, screen = given.pop("everyone"), Screen(given.pop("as_json"), given.pop("color"))
            if everyone and source.indices:
                raise click.UsageError("--all and --index contradict each other.")
            token = _token(given.pop("token_file"), given.pop("peer_users"))
            targets = _resolve(source, token, timeout, screen)
            if engines and not source.indices:
                targets = _workers(targets)
            writes = changes(given) if callable(changes) else changes
            if writes and len(targets) > 1 and not (everyone or source.indices):
                raise click.UsageError(f"Which of the {len(targets)} servers? Say --all, or --index with some of them.")
            function(Fleet(targets, token, timeout, screen, source.file), **given)

        timeout = click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), default=seconds, show_default=True,
            help="Seconds to wait for the answers.",
        )  # fmt: skip
        for option in reversed([*_OPTIONS, timeout]):
            command = option(command)
        return command

    return decorate


def _workers(targets: list[Target]) -> list[Target]:
    found = [target for target in targets if target.index != 0]
    if not found:
        raise click.UsageError("There is no worker among the servers; the scheduler is asked with --index 0.")
    return found


def _require_extra() -> None:
    for module in ("httpx", "rich"):
        if find_spec(module) is None:
            raise click.ClickException(f"This command needs {module}: pip install httpx rich")


def _indices(text: str) -> tuple[int, ...]:
    return parse_indices(text) if text else ()


def _token(path: str | None, peer_users: Iterable[str]) -> BearerToken | None:
    try:
        text, uids = token_from(path, dict(os.environ)), frozenset(map(uid_of, peer_users))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    return BearerToken(text, uids) if text else None


def _resolve(source: Source, token: BearerToken | None, seconds: float, screen: Screen) -> list[Target]:
    found = source.targets()
    return _discover(found, token, seconds, screen) if isinstance(found, Settings) else found


def _discover(settings: Settings, token: BearerToken | None, seconds: float, screen: Screen) -> list[Target]:
    """Ask the first ranks how many there are: the config does not know."""
    try:
        probed = targets_of(settings, _PROBED)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    errors = []
    for outcome in Fleet(probed, token, seconds, screen).outcomes(_world_size):
        if outcome.ok:
            return targets_of(settings, range(1 + outcome.data))
        errors.append(f"  {outcome.target.name}: {outcome.error}")
    raise click.ClickException(
        "No server says how many ranks there are; name them, as in --index 0-4.\n" + "\n".join(errors)
    )


def _world_size(client: Client) -> int:
    return int(client.json("GET", "/meta", params={"names": "world_size"})["world_size"])
