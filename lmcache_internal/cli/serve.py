"""`serve`: the embedded engine, to try things on."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, ServerStartError

if TYPE_CHECKING:
    from ..engine.embedded import EmbeddedConfig
    from ..engine.embedded.metadata import KVShape
    from ..server import InternalAPIServer


def _shape(context: click.Context, parameter: click.Parameter, text: str | None) -> KVShape | None:  # noqa: ARG001  # Click's signature.
    if text is None:
        return None
    try:
        layers, planes, tokens, heads, size = (int(part) for part in text.strip("() ").split(","))
    except ValueError:
        raise click.BadParameter(f"expected five numbers such as 27,1,64,1,576, got {text!r}") from None
    return layers, planes, tokens, heads, size


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An engine's YAML; by default the one that LMCACHE_CONFIG_FILE names, or none.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many workers.")
@click.option("--model", default="example-model", show_default=True, help="The model's name.")
@click.option(
    "--kv-shape",
    callback=_shape,
    metavar="L,KV,T,H,S",
    help="Layers, 2 or 1 (MLA), tokens per chunk, KV heads, head size; by default 27,1,<chunk_size>,1,576.",
)
def serve(config: Path | None, workers: int, model: str, kv_shape: KVShape | None) -> None:
    """Serve a scheduler and its workers on the embedded engine, until Ctrl-C.

    It is for trying, for writing plugins and for tests; LMCache is for production.

    Example: lmcache-internal serve --config lmcache.yaml --workers 4
    """
    from ..engine.embedded.deployment import deployment
    from ..server import InternalAPIServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with ExitStack() as stack:
            managers = stack.enter_context(deployment(partial(_read, config), workers, model, kv_shape))
            servers = [stack.enter_context(InternalAPIServer(manager)) for manager in managers]
            _print_addresses([server for server in servers if server.enable])
            stopping.wait()
            click.echo("Stopping.")
    except (ConfigError, ServerStartError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _read(path: Path | None) -> EmbeddedConfig:
    """The configuration; where there is no file, the server is enabled all the same."""
    from ..engine.embedded.config import CONFIG_FILE_VARIABLE, EmbeddedConfig

    if path is not None:
        return EmbeddedConfig.from_file(path)
    without_file = {} if os.environ.get(CONFIG_FILE_VARIABLE) else {"LMCACHE_INTERNAL_API_SERVER_ENABLED": "true"}
    return EmbeddedConfig.from_env({**without_file, **os.environ})


def _print_addresses(servers: list[InternalAPIServer]) -> None:
    if not servers:
        click.echo("Nothing is served: see internal_api_server_enabled and internal_api_server_include_index_list.")
    for server in servers:
        index = server.address.index
        click.echo(f"{f'Worker {index - 1}' if index else 'Scheduler'} listens on {server.address}")
    if servers:
        click.echo("Try:")
        for path in ("/", "/metrics", "/conf"):
            click.echo(f"    {servers[-1].address.curl(path)}")
    click.echo("Ctrl-C ends it.")
