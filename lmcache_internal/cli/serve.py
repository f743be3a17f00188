"""`serve`: serve the embedded engine, for trials, plugins and tests."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, ServerStartError
from .commands import Command

if TYPE_CHECKING:
    from ..engine.embedded import EmbeddedConfig
    from ..engine.embedded.metadata import KVShape


def _shape(context: click.Context, parameter: click.Parameter, text: str | None) -> KVShape | None:  # noqa: ARG001  # Click's signature.
    if text is None:
        return None
    try:
        layers, planes, tokens, heads, size = (int(part) for part in text.strip("() ").split(","))
    except ValueError:
        raise click.BadParameter(f"expected five numbers such as 27,1,64,1,576, got {text!r}") from None
    return layers, planes, tokens, heads, size


@click.command(cls=Command)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The engine's YAML file. Default: $LMCACHE_CONFIG_FILE, or none.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="The number of workers.")
@click.option(
    "--memory",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Memory in MiB for the KV buffers and the cached chunks of all workers together.",
)
@click.option(
    "--traffic", is_flag=True, help="Send requests, and add a simulated remote backend that is slow and sometimes down."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random requests of --traffic.")
@click.option("--reload", is_flag=True, help="Restart the ranks when a file of a plugin changes.")
@click.option(
    "--mp",
    "mp_port",
    type=click.IntRange(1, 65535),
    is_flag=False,
    flag_value=8080,
    metavar="[PORT]",
    help="Serve one MP server on the embedded engine instead, on port 8080 or PORT; --config names its settings.",
)
@click.option("--model", default="example-model", show_default=True, help="The name of the model.")
@click.option(
    "--kv-shape",
    callback=_shape,
    metavar="L,KV,T,H,S",
    help="Layers, 2 or 1 (MLA), tokens per chunk, KV heads, head size. Default: 27,1,<chunk_size>,1,576, with a "
    "smaller head size if --memory is less than 32 such chunks for each worker.",
)
def serve(
    config: Path | None,
    workers: int,
    memory: int,
    traffic: bool,
    seed: int,
    reload: bool,
    mp_port: int | None,
    model: str,
    kv_shape: KVShape | None,
) -> None:
    """Serve a scheduler and its workers on the embedded engine, until Ctrl-C.

    Each rank has its own process. The embedded engine is for trials, plugins and tests; use LMCache in production.

    Example: lmcache-internal serve --config lmcache.yaml --workers 4 --traffic
    """
    if mp_port is not None:
        from .serve_mp import serve_mp

        serve_mp(mp_port, config, workers, model)
        return
    from ..engine.embedded.deployment import Deployment
    from .serve_parent import serve_ranks

    deployment = Deployment(partial(_read, config), workers, model, kv_shape, memory, remote=traffic)
    file = config or os.environ.get("LMCACHE_CONFIG_FILE")
    try:
        serve_ranks(deployment, seed if traffic else None, reload, str(file) if file else None)
    except (ConfigError, ServerStartError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _read(path: Path | None) -> EmbeddedConfig:
    """Return the configuration; without a file, the server is enabled."""
    from ..engine.embedded.config import CONFIG_FILE_VARIABLE, EmbeddedConfig

    if path is not None:
        return EmbeddedConfig.from_file(path)
    without_file = {} if os.environ.get(CONFIG_FILE_VARIABLE) else {"LMCACHE_INTERNAL_API_SERVER_ENABLED": "true"}
    return EmbeddedConfig.from_env({**without_file, **os.environ})
