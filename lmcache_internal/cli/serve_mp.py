"""`serve --mp`: the embedded MP engine, to try things on."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from ..errors import ConfigError, ServerStartError

_INSTANCE = 1000
"""The id of the first worker, as LMCache's benchmark client counts."""
_TOKENS = 64


def serve_mp(port: int, config: Path | None, workers: int, model: str) -> None:
    """Serve one MP server until SIGINT or SIGTERM, with something in its cache; L2 is a temporary directory.

    Args:
        port: the TCP port, on 127.0.0.1.
        config: the settings of the HTTP API, or None for the defaults.
        workers: how many workers are registered, the ranks of one model.
        model: the model's name.
    """
    from ..engine.embedded_mp import EmbeddedMPManager
    from ..engine.embedded_mp.workers import Worker
    from ..engine.mp.config import MPConfig
    from ..server import InternalAPIServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with ExitStack() as stack:
            l2 = stack.enter_context(TemporaryDirectory(prefix="lmcache-internal-l2-"))
            settings = MPConfig.read("127.0.0.1", port, config)
            manager = stack.enter_context(EmbeddedMPManager(settings, l2_directories=[l2]))
            for rank in range(workers):
                manager.engine.register_worker(_INSTANCE + rank, Worker(model, world_size=workers))
            manager.engine.store(_INSTANCE, range(_TOKENS))
            server = stack.enter_context(InternalAPIServer(manager))
            click.echo(f"MP server listens on {server.address}\nTry:")
            for path in ("/status", "/cache/objects", "/readyz?verbose"):
                click.echo(f"    {server.address.curl(path)}")
            click.echo("Press Ctrl-C to stop.")
            stopping.wait()
            click.echo("Stopping.")
    except (ConfigError, ServerStartError) as error:
        raise click.ClickException(str(error)) from error
