"""A scheduler and its workers in one process: a deployment to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from .config import EmbeddedConfig
from .manager import EmbeddedManager
from .metadata import EXAMPLE_MODEL, EmbeddedMetadata, KVShape, example_kv_shape


@contextmanager
def deployment(
    read_config: Callable[[], EmbeddedConfig],
    workers: int = 1,
    model: str = EXAMPLE_MODEL,
    kv_shape: KVShape | None = None,
) -> Iterator[list[EmbeddedManager]]:
    """Yields the managers, the scheduler's first; with something in their caches to see.

    Args:
        read_config: makes the configuration, for each rank its own, as in processes of their own.
        workers: how many there are.
        model: the model's name.
        kv_shape: see `KVShape`; a small model's by default.

    Raises:
        ConfigError: the configuration is unusable.
        ValueError: the shape is impossible.
    """

    def manager(role: str, worker_id: int = 0) -> EmbeddedManager:
        config = read_config()
        shape = kv_shape or example_kv_shape(config.chunk_size)
        metadata = EmbeddedMetadata(model, shape, worker_id=worker_id, world_size=workers, role=role)
        return EmbeddedManager(config, metadata, made)

    made: list[EmbeddedManager] = []
    with ExitStack() as stack:
        for worker_id in range(workers):
            made.append(stack.enter_context(manager("worker", worker_id)))
        scheduler = stack.enter_context(manager("scheduler"))
        _fill(scheduler, made)
        yield [scheduler, *made]


def _fill(scheduler: EmbeddedManager, workers: list[EmbeddedManager]) -> None:
    """Two prompts that share their first four chunks, the second asked for again."""
    shared = list(range(4 * scheduler.config.chunk_size))
    for prompt in (shared, [*shared, *shared]):
        if scheduler.lookup_client is not None:
            scheduler.lookup_client.lookup(prompt)
        for worker in workers:
            worker.require_engine().store(prompt)
    for worker in workers:
        worker.require_engine().retrieve([*shared, *shared])
