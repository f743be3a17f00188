"""The manager of one rank of the embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ...errors import ConfigError, EngineUnavailable
from .cache_engine import EmbeddedEngine
from .config import EmbeddedConfig
from .kv_buffers import make_kv_buffers
from .lookup import EmbeddedLookupClient, EmbeddedLookupServer, EmbeddedStatisticsClient, TokenLookup
from .metadata import EmbeddedMetadata
from .periodic import PeriodicThread
from .runtime import EmbeddedRuntime


class EmbeddedManager:
    """A manager with LMCache's interface, to try the server, write plugins and run tests.

    Do not use it in production: it has no GPU, no remote backend and no scheduler.

    Args:
        config: the configuration.
        metadata: model and worker; the role "scheduler" has no engine.
        workers: on a scheduler, the workers' engines for lookups, or links to them.

    Attributes:
        lmcache_engine: the cache engine; None on a scheduler.
        kv_caches: layer name to KV buffer; empty on a scheduler.
        lookup_client: looks tokens up in the workers; None on a worker.
        lookup_server: serves the lookups; None on a scheduler.

    Raises:
        ConfigError: the chunk sizes of the config and the metadata differ.
    """

    def __init__(self, config: EmbeddedConfig, metadata: EmbeddedMetadata, workers: Sequence[TokenLookup] = ()) -> None:
        if config.chunk_size != metadata.chunk_size:
            raise ConfigError(
                f"chunk_size is {config.chunk_size}, but kv_shape {metadata.kv_shape} has {metadata.chunk_size} "
                "tokens per chunk; make them equal"
            )
        self.config = config
        self.lmcache_engine_metadata = metadata
        self.runtime = EmbeddedRuntime(self)
        self.kv_caches = make_kv_buffers(metadata) if metadata.role == "worker" else {}
        self.lmcache_engine = EmbeddedEngine(config, metadata, self.kv_caches) if self.kv_caches else None
        self.lookup_client: EmbeddedLookupClient | None = None
        self.lookup_server: EmbeddedLookupServer | None = None
        self.periodic_threads: list[PeriodicThread] = []
        self._workers = workers
        if self.lmcache_engine is None:
            self.create_lookup_client()
        else:
            self.create_lookup_server()
            interval = config.pin_check_interval_sec
            monitor = PeriodicThread("PinMonitor-thread", "critical", interval, self.lmcache_engine.check_pins)
            monitor.start()
            self.periodic_threads.append(monitor)

    def require_engine(self) -> EmbeddedEngine:
        """Return the cache engine; raise `EngineUnavailable` (503) on a scheduler."""
        if self.lmcache_engine is None:
            raise EngineUnavailable("LMCache engine not configured.")
        return self.lmcache_engine

    def is_healthy(self) -> bool:
        """Return whether the engine is healthy; True without an engine."""
        return self.lmcache_engine is None or self.lmcache_engine.is_healthy()

    def get_inference_info(self) -> dict[str, Any]:
        """Return information about the inference engine: empty, because there is none."""
        return {}

    def get_lookup_info(self) -> dict[str, Any]:
        """Return the class names of the lookup client and server; "None" if there is none."""
        return {"client": _class_name(self.lookup_client), "server": _class_name(self.lookup_server)}

    def close_lookup_client(self) -> dict[str, Any]:
        """Remove the lookup client."""
        old, self.lookup_client = self.lookup_client, None
        return {"old": _class_name(old)}

    def create_lookup_client(self, dryrun: bool = False) -> dict[str, Any]:
        """Create a lookup client as the config requires; with `dryrun`, only return its class name."""
        counting = self.config.enable_chunk_statistics
        client = (
            EmbeddedStatisticsClient(self._workers, self.lmcache_engine_metadata)
            if counting
            else EmbeddedLookupClient(self._workers)
        )
        if dryrun:
            return {"new": _class_name(client), "dryrun": True}
        self.lookup_client = client
        return {"new": _class_name(client)}

    def recreate_lookup_client(self) -> dict[str, Any]:
        """Close the lookup client and create a new one."""
        if self.lookup_client is None:
            return {"error": "lookup client not available"}
        return self.close_lookup_client() | self.create_lookup_client()

    def close_lookup_server(self) -> dict[str, Any]:
        """Remove the lookup server."""
        old, self.lookup_server = self.lookup_server, None
        return {"old": _class_name(old)}

    def create_lookup_server(self, dryrun: bool = False) -> dict[str, Any]:
        """Create a lookup server; with `dryrun`, only return its class name."""
        if self.lmcache_engine is None:
            return {"error": "engine not available"}
        server = EmbeddedLookupServer(self.lmcache_engine)
        if dryrun:
            return {"new": _class_name(server), "dryrun": True}
        self.lookup_server = server
        return {"new": _class_name(server)}

    def recreate_lookup_server(self) -> dict[str, Any]:
        """Close the lookup server and create a new one."""
        if self.lookup_server is None:
            return {"error": "lookup server not available"}
        return self.close_lookup_server() | self.create_lookup_server()

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


def _class_name(thing: object) -> str:
    return "None" if thing is None else type(thing).__name__
