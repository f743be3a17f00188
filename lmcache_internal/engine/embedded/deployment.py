"""A scheduler and its workers for `serve`: the parts of each rank, in whichever process it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import ConfigError
from .cache_engine import EmbeddedEngine
from .config import EmbeddedConfig
from .kv_buffers import NUM_BLOCKS
from .local_cpu import GIB
from .lookup import TokenLookup
from .manager import EmbeddedManager
from .metadata import EXAMPLE_MODEL, EmbeddedMetadata, KVShape, example_kv_shape
from .simulated_remote import SETTING as REMOTE_SETTING

MIB = 1 << 20

_CHUNKS = 32
"""Chunks that fit into a worker's share of the memory if no shape is given."""
_FEWEST_CHUNKS = NUM_BLOCKS + 8
"""The chunks of the KV buffers, and those that `fill` stores."""


@dataclass(frozen=True)
class Deployment:
    """A scheduler and its workers.

    Attributes:
        read_config: returns a new configuration; each rank has its own.
        workers: number of workers.
        model: the model's name.
        kv_shape: see `KVShape`; None for a small model, with a head size that fits into the memory.
        memory: MiB for the KV buffers and the chunks in memory of all workers together.
        remote: whether the workers have a simulated remote backend, which is slow and sometimes fails.
    """

    read_config: Callable[[], EmbeddedConfig]
    workers: int = 1
    model: str = EXAMPLE_MODEL
    kv_shape: KVShape | None = None
    memory: int = 256
    remote: bool = False

    def manager(self, index: int, workers: Sequence[TokenLookup] = ()) -> EmbeddedManager:
        """Create the manager of a rank.

        Args:
            index: 0 for the scheduler, 1 + n for worker n.
            workers: the workers in which the scheduler looks tokens up.

        Raises:
            ConfigError: the configuration is invalid, or the memory is too small.
            ValueError: the shape is invalid.
        """
        config = self.read_config()
        shape = self.kv_shape or example_kv_shape(config.chunk_size, self._share // _CHUNKS)
        metadata = EmbeddedMetadata(
            self.model,
            shape,
            worker_id=max(0, index - 1),
            world_size=self.workers,
            role="worker" if index else "scheduler",
        )
        self._divide_memory(config, metadata)
        return EmbeddedManager(config, metadata, workers)

    @property
    def _share(self) -> int:
        """Bytes for one worker."""
        return self.memory * MIB // self.workers

    def _divide_memory(self, config: EmbeddedConfig, metadata: EmbeddedMetadata) -> None:
        """Set the sizes of the hot cache and of the remote backend, which is twice as large."""
        if metadata.chunk_size == config.chunk_size and self._share < _FEWEST_CHUNKS * metadata.chunk_bytes:
            needed = -(-_FEWEST_CHUNKS * metadata.chunk_bytes * self.workers // MIB)
            raise ConfigError(
                f"{self.memory} MiB for {self.workers} workers are not enough for chunks of {metadata.chunk_bytes} "
                f"bytes; give --memory {needed} or more, or a smaller --kv-shape"
            )
        left = (self._share - NUM_BLOCKS * metadata.chunk_bytes) / GIB
        sizes = {"max_local_cpu_size": min(config.max_local_cpu_size, left / 3 if self.remote else left)}
        extra = {**(config.extra_config or {}), REMOTE_SETTING: left * 2 / 3}
        config.override(sizes | ({"extra_config": extra} if self.remote else {}), "lmcache-internal serve")


def example_prompts(chunk_size: int) -> list[list[int]]:
    """Return two prompts that share their first four chunks."""
    shared = list(range(4 * chunk_size))
    return [shared, [*shared, *shared]]


def fill(engine: EmbeddedEngine) -> None:
    """Store the example prompts and retrieve the second one, so that the caches are not empty."""
    prompts = example_prompts(engine.metadata.chunk_size)
    for prompt in prompts:
        engine.store(prompt)
    engine.retrieve(prompts[-1])
