"""The options that choose servers and say how to reach them; most commands take them.

`fleet_options` adds them to a command, reads them, finds the servers, and calls the command with a `Fleet`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .commands import FleetOption
from .credentials import BearerToken, token_file_named, token_from, uid_of
from .discovery import find
from .fleet import Fleet
from .outcome import Found
from .output import Screen
from .sources import Source
from .targets import parse_indices, unreachable_message
from .text import printable
from .units import servers

Command = Callable[..., None]

_FILE = click.Path(path_type=Path, dir_okay=False)
_option = functools.partial(click.option, cls=FleetOption)
_OPTIONS = [
    _option("--config", type=_FILE, help="The engine's YAML file. Default: $LMCACHE_CONFIG_FILE, or ports 6999-7006."),
    _option("--url", "urls", multiple=True, help="The address of a server; repeatable."),
    _option("--socket", "sockets", multiple=True, help="The Unix socket of a server; repeatable."),
    _option(
        "--targets",
        "listed",
        metavar="FILE|URL",
        help="A file of addresses in the format of GET /sd/prometheus, or its URL.",
    ),
    _option("--coordinator", metavar="URL", help="LMCache's coordinator: the MP servers that are registered there."),
    _option(
        "--kubernetes",
        multiple=True,
        metavar="[CONTEXT/]NAMESPACE[:SELECTOR]",
        help="The servers in pods, through the Kubernetes API. Default selector: lmcache-internal/server. Repeatable.",
    ),
    _option(
        "--index",
        "indices",
        default="",
        metavar="LIST",
        help="Ranks, such as 0,2-4: 0 is the scheduler, 1 is worker 0.",
    ),
    _option("--worker", "workers", default="", metavar="LIST", help="Workers by number, such as 0,2-4."),
    _option("--scheduler", is_flag=True, help="The scheduler."),
    _option("--all", "everyone", is_flag=True, help="All ranks. Commands that only read use all ranks by default."),
    _option("--bearer-token-file", type=click.Path(dir_okay=False), help="A file with the token to send."),
    _option(
        "--token-file",
        "old_token_file",
        type=click.Path(dir_okay=False),
        hidden=True,
        help="The old name of --bearer-token-file.",
    ),
    _option(
        "--trust-listed",
        is_flag=True,
        help="Send the token to the servers that --coordinator or the URL of --targets lists, too.",
    ),
    _option(
        "--peer-user",
        "peer_users",
        multiple=True,
        help="A user whose server on a Unix socket may receive the token, besides root and you; repeatable.",
    ),
    _option("--json", "as_json", is_flag=True, help="Print one JSON document with an entry for each server."),
    _option("--color/--no-color", default=None, help="Print colors. Default: only on a terminal."),
]

_MP_URL = "http://127.0.0.1:8080"
ENGINE_SECONDS = 35.0
"""The timeout for calls into the engine: longer than the server's own, whose answer says which call is stuck."""


def fleet_options(
    changes: bool | Callable[[Mapping[str, Any]], bool] = False,
    seconds: float = 10.0,
    engines: bool = False,
    ranks: bool = False,
    mp: bool = False,
) -> Callable[[Command], Command]:
    """Give a command the options that choose servers; its function gets a `Fleet` of them first.

    Args:
        changes: whether the command changes something, or a function of its other options that says so. A change of
            several servers needs --all, or options that choose ranks.
        seconds: the default of `--timeout`.
        engines: whether the command is for workers only. The scheduler has no engine: it is asked only if chosen.
        ranks: whether the command is for in-process engines only. In a mixed fleet, MP servers are not asked.
        mp: whether the command is for MP servers only. In a mixed fleet, ranks are not asked. Without options, the
            command asks the default address of an MP server.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(timeout: float, **given: Any) -> None:
            _require_extra()
            token_file = token_file_named(given.pop("bearer_token_file"), given.pop("old_token_file"))
            source = _source(given, _MP_URL if mp else None)
            access = _access(token_file, given["peer_users"])
            everyone, screen = given.pop("everyone"), Screen(given.pop("as_json"), given.pop("color"))
            if everyone and source.indices:
                raise click.UsageError("--all contradicts --index, --worker and --scheduler.")
            token = _token(token_file, given.pop("peer_users"), given.pop("trust_listed"))

            def search() -> Found:
                found = find(source, token, timeout)
                found = _mp_servers(found) if mp else _ranks(found) if ranks or engines else found
                return _workers(found) if engines and not source.indices else found

            found = search()
            if changes(given) if callable(changes) else changes:
                _check_choice(found, bool(everyone or source.indices))
            elif found.problem:
                screen.note(_uncounted(found))
            function(Fleet(found, token, timeout, screen, source, access, search), **given)

        timeout = _option(
            "--timeout", type=click.FloatRange(0, min_open=True), default=seconds, show_default=f"{seconds:g}",
            metavar="SECONDS", help="How long to wait for all servers.",
        )  # fmt: skip
        for option in reversed([*_OPTIONS, timeout]):
            command = option(command)
        return command

    return decorate


def _source(given: dict[str, Any], default_url: str | None) -> Source:
    indices = {
        *_numbers(given.pop("indices")),
        *(1 + worker for worker in _numbers(given.pop("workers"))),
        *([0] if given.pop("scheduler") else []),
    }
    source = Source(
        given.pop("config"),
        given.pop("urls"),
        given.pop("sockets"),
        given.pop("listed"),
        tuple(sorted(indices)),
        given.pop("kubernetes"),
        given.pop("coordinator"),
    )
    return source if default_url is None or source.is_given else replace(source, urls=(default_url,))


def _access(token_file: str | None, peer_users: Iterable[str]) -> list[str]:
    """Return the options that say how to reach the servers, for hints."""
    token = ["--bearer-token-file", token_file] if token_file else []
    return [*token, *(option for user in peer_users for option in ("--peer-user", user))]


def _check_choice(found: Found, chosen: bool) -> None:
    """Raise if a change would affect servers that the user did not choose."""
    if not found.counted:
        raise click.ClickException(f"{_uncounted(found)}\nNothing was changed.")
    if len(found.targets) > 1 and not chosen:
        raise click.UsageError(
            f"This changes {servers(len(found.targets))}. Add --all for all of them, "
            "or choose with --index, --worker or --scheduler."
        )


def _uncounted(found: Found) -> str:
    reason = printable(found.problem or unreachable_message(found.targets))
    return f"{reason}\nThe number of ranks is unknown. Choose the ranks, as in --index 0-4."


def _mp_servers(found: Found) -> Found:
    """Return the MP servers, and the servers of an unknown kind; those that do not answer are called MP servers."""
    chosen = [target for target in found.targets if target.index is None]
    if not chosen:
        raise click.UsageError(
            "There is no MP server among the servers. Give --url, --targets, --coordinator or --kubernetes."
        )
    down = {target for target, outcome in found.failed.items() if outcome.unreachable}
    known = {target: replace(target, mp=target.mp or target in down) for target in chosen}
    failed = {
        known[target]: replace(found.failed[target], target=known[target])
        for target in chosen
        if target in found.failed
    }
    return replace(found, targets=list(known.values()), failed=failed, counted=True, problem=None)


def _ranks(found: Found) -> Found:
    """Return the ranks, and the servers of an unknown kind."""
    chosen = [target for target in found.targets if not target.mp]
    if not chosen:
        raise click.UsageError("The command is for in-process engines, and these are MP servers.")
    return replace(found, targets=chosen)


def _workers(found: Found) -> Found:
    """Return the ranks without the schedulers; all ranks if their number is unknown."""
    if not found.counted:
        return found
    workers = [target for target in found.targets if target.index != 0]
    if not workers:
        raise click.UsageError("There is no worker among the servers. To ask the scheduler, add --scheduler.")
    return replace(found, targets=workers)


def _require_extra() -> None:
    for module in ("httpx", "rich"):
        if find_spec(module) is None:
            raise click.ClickException(f"This command needs {module}: pip install httpx rich")


def _numbers(text: str) -> tuple[int, ...]:
    return parse_indices(text) if text else ()


def _token(path: str | None, peer_users: Iterable[str], for_listed: bool) -> BearerToken | None:
    try:
        text, uids = token_from(path, dict(os.environ)), frozenset(map(uid_of, peer_users))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    return BearerToken(text, uids, for_listed) if text else None
