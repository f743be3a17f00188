"""Serve the internal API of a scheduler and a worker on the embedded engine.

    python example_app.py --config examples/lmcache.yaml

The embedded engine is for trying, for plugins and for tests; LMCache is for production.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer
from lmcache_internal.engine.embedded.metadata import EXAMPLE_MODEL, KVShape, example_kv_shape
from lmcache_internal.errors import ConfigError, ServerStartError


def main() -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit status."""
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with ExitStack() as stack:
            config = EmbeddedConfig.from_file(arguments.config)
            worker = stack.enter_context(_manager(config, arguments, "worker"))
            scheduler = stack.enter_context(_manager(config, arguments, "scheduler", workers=[worker]))
            _fill(worker, scheduler)
            servers = [stack.enter_context(InternalAPIServer(manager)) for manager in (scheduler, worker)]
            _print_addresses([server for server in servers if server.enable], arguments.config)
            stopping.wait()
            print("Stopping.", flush=True)
    except (ConfigError, ServerStartError, ValueError) as error:
        print(f"example_app.py: {error}", file=sys.stderr)
        return 1
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a scheduler and a worker on the embedded engine.")
    example = Path(__file__).parent / "examples" / "lmcache.yaml"
    parser.add_argument("--config", type=Path, default=example, help="LMCache YAML file (default: %(default)s)")
    parser.add_argument("--model", default=EXAMPLE_MODEL, help="model name (default: %(default)s)")
    parser.add_argument(
        "--kv-shape",
        type=_shape,
        metavar="L,KV,T,H,S",
        help="layers, 2 or 1 (MLA), tokens per chunk, KV heads, head size (default: 27,1,<chunk_size>,1,576)",
    )
    return parser.parse_args()


def _shape(text: str) -> KVShape:
    try:
        layers, planes, tokens, heads, size = (int(part) for part in text.strip("() ").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected five numbers such as 27,1,64,1,576, got {text!r}") from None
    return layers, planes, tokens, heads, size


def _manager(
    config: EmbeddedConfig, arguments: argparse.Namespace, role: str, workers: Sequence[EmbeddedManager] = ()
) -> EmbeddedManager:
    shape = arguments.kv_shape or example_kv_shape(config.chunk_size)
    return EmbeddedManager(config, EmbeddedMetadata(arguments.model, shape, role=role), workers)


def _fill(worker: EmbeddedManager, scheduler: EmbeddedManager) -> None:
    """Something to see: two prompts that share their first four chunks, the second asked for again."""
    engine = worker.require_engine()
    shared = list(range(4 * worker.config.chunk_size))
    for prompt in (shared, [*shared, *shared]):
        if scheduler.lookup_client is not None:
            scheduler.lookup_client.lookup(prompt)
        engine.store(prompt)
    engine.retrieve([*shared, *shared])


def _print_addresses(servers: list[InternalAPIServer], config: Path) -> None:
    if not servers:
        print(f"Nothing is served: see internal_api_server_enabled and …_include_index_list in {config}")
    for server in servers:
        index = server.address.index
        print(f"{f'Worker {index - 1}' if index else 'Scheduler'} listens on {server.address}")
    if servers:
        print("Try:")
        for path in ("/", "/metrics", "/conf"):
            print(f"    {servers[-1].address.curl(path)}")
    print("Ctrl-C ends it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
