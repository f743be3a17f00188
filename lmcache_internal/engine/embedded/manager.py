"""One scheduler or worker process' worth of the embedded engine."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ...errors import ConfigError
from ...version import __version__
from .cache_engine import EmbeddedEngine
from .config import DEFINITIONS, EmbeddedConfig
from .kv_buffers import make_kv_buffers
from .metadata import EmbeddedMetadata
from .periodic import PeriodicThread


class EmbeddedRuntime:
    """What stands beside the embedded engine; it says what it is."""

    definitions = DEFINITIONS
    lmc_version = f"{__version__}+embedded"
    commit_id = "embedded"
    version = f"{lmc_version}-{commit_id}"


class EmbeddedManager:
    """A manager of LMCache's shape, for trying, for writing plugins and for tests.

    Not for production: there is no GPU, no remote backend and no scheduler behind it.

    Args:
        config: the configuration.
        metadata: model and worker; with the role "scheduler", there is no engine.

    Raises:
        ConfigError: the config's chunk size is not that of the metadata.

    Attributes:
        lmcache_engine: the cache engine; None on a scheduler.
        kv_caches: layer name to its KV buffer; empty on a scheduler.
    """

    runtime = EmbeddedRuntime()

    def __init__(self, config: EmbeddedConfig, metadata: EmbeddedMetadata) -> None:
        if metadata.role == "worker" and config.chunk_size != metadata.chunk_size:
            raise ConfigError(
                f"chunk_size is {config.chunk_size}, but kv_shape {metadata.kv_shape} says {metadata.chunk_size} "
                "tokens per chunk; make them equal"
            )
        self.config = config
        self.lmcache_engine_metadata = metadata
        self.kv_caches = make_kv_buffers(metadata) if metadata.role == "worker" else {}
        self.lmcache_engine = EmbeddedEngine(config, metadata, self.kv_caches) if self.kv_caches else None
        self.lookup_client = None
        self.lookup_server = None
        self.periodic_threads: list[PeriodicThread] = []
        if self.lmcache_engine is not None:
            interval = config.pin_check_interval_sec
            monitor = PeriodicThread("PinMonitor-thread", "critical", interval, self.lmcache_engine.check_pins)
            monitor.start()
            self.periodic_threads.append(monitor)

    def is_healthy(self) -> bool:
        """Whether the engine, if there is one, can serve."""
        return self.lmcache_engine is None or self.lmcache_engine.is_healthy()

    def get_inference_info(self) -> dict[str, Any]:
        """Facts on the inference engine around: here, none is."""
        return {}

    def close(self) -> None:
        """Stop the threads and close the engine."""
        for thread in self.periodic_threads:
            thread.stop()
        if self.lmcache_engine is not None:
            self.lmcache_engine.close()

    def __enter__(self) -> EmbeddedManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
