"""One process of the embedded MP engine."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from ..mp.config import MPConfig
from ..mp.manager import MPManager
from .directory import DirectoryConfig
from .runtime import EmbeddedMPRuntime
from .server import EmbeddedMPServer
from .storage_manager import EmbeddedMPStorageManager


class EmbeddedMPManager(MPManager):
    """An MP server to try, to write plugins and tests with; LMCache is for production.

    Args:
        config: the settings of the HTTP server; the defaults where it is None.
        l1_bytes: the capacity of L1, in bytes.
        l2_directories: the directories of L2, the primary one first.
        chunk_size: tokens of a chunk.
        reap_seconds: the silence after which a worker is removed, in seconds; 0 removes none.

    Raises:
        OSError: a directory of L2 cannot be made or read.
    """

    engine: EmbeddedMPServer

    def __init__(
        self,
        config: MPConfig | None = None,
        l1_bytes: int = 1 << 26,
        l2_directories: Sequence[str] = (),
        chunk_size: int = 16,
        reap_seconds: float = 0.0,
    ) -> None:
        config = config or MPConfig()
        adapters = [DirectoryConfig(directory) for directory in l2_directories]
        server = EmbeddedMPServer(EmbeddedMPStorageManager(l1_bytes, adapters), chunk_size, reap_seconds)
        configs = {
            "mp": {"chunk_size": chunk_size},
            "storage_manager": {"l1_bytes": l1_bytes},
            "http": {
                "http_host": config.internal_api_server_host,
                "http_port": config.internal_api_server_port_start,
            },
        }
        self._server = server
        self.engine = server
        super().__init__(config, EmbeddedMPRuntime(server, configs))
        self.worker_watch.start()

    def close(self) -> None:
        """Stop the engine; what is in L2 is found at the next start."""
        self.worker_watch.stop()
        self._server.close()

    def __enter__(self) -> EmbeddedMPManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
