"""The parent process of the ranks: it checks their addresses, starts and stops them, and reports their state."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..engine.embedded.deployment import Deployment
from ..engine.embedded.environment import ENV_PREFIX
from ..errors import ServerStartError
from ..serving.listener import identity_of, listen_on, remove_socket_file
from ..settings import PREFIX, Settings
from ..settings.address import Address, public_address_at, ranks_of
from .serve_plugins import PluginFiles
from .serve_processes import SIGNALS, STOP_SIGNALS, Processes, Stopped, load_everything

_POLL_SECONDS = 0.3
"""Interval between two checks of the plugin files."""
_MOST_NAMED = 4
_VARIABLES = tuple(
    f"{ENV_PREFIX}{PREFIX.upper()}{key}" for key in ("HOST", "PORT_START", "SOCKET_PATH_PREFIX", "INCLUDE_INDEX_LIST")
)
"""The environment variables that say where ranks listen; the commands read them, too."""


def serve_ranks(deployment: Deployment, seed: int | None, reload: bool, config: str | None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        deployment: the parts of the ranks.
        seed: seed of the traffic; None for no traffic.
        reload: whether to restart the ranks when a file of a plugin changes.
        config: the path of the engine's YAML file, for the printed commands.

    Raises:
        ConfigError: the configuration is invalid.
        ServerStartError: a rank cannot serve; the message is the reason.
        ValueError: the shape of the KV caches is invalid.
    """
    settings = _check(deployment)
    load_everything()
    sys.dont_write_bytecode = True  # After two changes within a second, stale bytecode would look up to date.
    files = PluginFiles(settings.plugin_dirs) if reload else None  # Before the ranks load them: no change is missed.
    with _blocked_signals():
        try:
            processes = Processes(deployment, seed)
        except Stopped:
            return
        try:
            _print_broken(processes)
            _print_start(ranks_of(settings, deployment.workers), config)
            while not _wait(processes, files):
                processes.stop()
                processes = _start_again(deployment, seed, files)
            click.echo("Stopping.")
        except Stopped:
            click.echo("Stopping.")
        finally:
            processes.stop()


def _start_again(deployment: Deployment, seed: int | None, files: PluginFiles | None) -> Processes:
    """Start the ranks; if a plugin prevents that, retry after its next change. Raise `Stopped` on a signal."""
    while True:
        try:
            processes = Processes(deployment, seed)
        except ServerStartError as error:
            click.echo(f"Not served: {error}")
            if _wait(None, files):
                raise Stopped from None
            continue
        _print_broken(processes)
        click.echo("Serving again.")
        return processes


def _wait(processes: Processes | None, files: PluginFiles | None) -> bool:
    """Wait; return True if all ranks must stop, False if they must restart.

    Raises:
        ServerStartError: all ranks have ended.
    """
    while True:
        received = signal.sigtimedwait(SIGNALS, _POLL_SECONDS if files else 3600.0)
        if received and received.si_signo in STOP_SIGNALS:
            return True
        if processes:
            processes.reap()
        if not (files or (processes and processes.is_any_running)):
            raise ServerStartError("No rank is left.")
        if files and (changed := files.changed()):
            click.echo(f"Reloading: {', '.join(changed[:_MOST_NAMED])} changed.")
            return False


def _check(deployment: Deployment) -> Settings:
    """Raise `ServerStartError` with the problems of all ranks; return the settings."""
    with deployment.manager(0) as scheduler:
        settings = Settings.of(scheduler.config)
    wanted = ranks_of(settings, deployment.workers)
    public = [public_address_at(rank.index, settings) for rank in wanted]
    errors = [error for address in (*wanted, *public) if address and (error := _problem_of(address))]
    if errors:
        more = f"\n… and {len(errors) - _MOST_NAMED} more" if len(errors) > _MOST_NAMED else ""
        raise ServerStartError("\n".join(errors[:_MOST_NAMED]) + more)
    return settings


def _problem_of(address: Address) -> str | None:
    """Return why a server cannot listen on an address; None if it can."""
    try:
        listening = listen_on(address)
    except ServerStartError as error:
        return str(error)
    if address.socket_path:
        remove_socket_file(address.socket_path, identity_of(address.socket_path))
    listening.close()
    return None


@contextmanager
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    disposition = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, disposition)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _print_start(ranks: list[Address], config: str | None) -> None:
    if not ranks:
        click.echo("No rank is served: see internal_api_server_enabled and internal_api_server_include_index_list.")
    for rank in ranks:
        name = f"Worker {rank.index - 1}" if rank.index else "Scheduler"
        click.echo(f"{name} listens on {rank}")
    if ranks:
        click.echo("Try:")
        for path in ("/", "/metrics", "/conf"):
            click.echo(f"    {ranks[-1].curl(path)}")
        for command in ("status", "top"):
            click.echo(f"    {_command(command, config)}")
    click.echo("Press Ctrl-C to stop.")


def _command(name: str, config: str | None) -> str:
    """Return a command line that asks all ranks: with the file, or with the variables that this process has."""
    if config:
        return f"lmcache-internal {name} --config {shlex.quote(config)}"
    variables = {key: value for key, value in os.environ.items() if key.startswith(_VARIABLES) and value}
    words = [*(f"{key}={shlex.quote(value)}" for key, value in sorted(variables.items())), "lmcache-internal", name]
    return " ".join(words)


def _print_broken(processes: Processes) -> None:
    for source, reason in processes.broken.items():
        click.echo(f"{Path(source).name} is not served: {' '.join(reason.split())}")
