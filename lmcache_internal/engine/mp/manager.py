"""The manager of an MP server: what `app.state.lmcache_adapter` holds in MP mode."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..kinds import EngineKind
from .config import MPConfig
from .runtime import MPRuntime
from .worker_watch import WorkerWatch


class MPMetadata(Struct, frozen=True):
    """The metadata of an MP server: it serves all models and workers of its node.

    Attributes:
        model_name: empty.
        worker_id: 0.
        world_size: 1.
        role: `mp_server`.
    """

    model_name: str = ""
    worker_id: int = 0
    world_size: int = 1
    role: str = "mp_server"


class MPManager:
    """Holds what belongs to one MP engine; a subclass has the `engine`, which is None while it starts.

    Args:
        config: the settings of this server.
        runtime: the surroundings of the engine.
    """

    engine: Any

    engine_kind: EngineKind = "mp"
    lmcache_engine = None
    """There is no in-process engine."""
    lmcache_engine_metadata = MPMetadata()

    def __init__(self, config: MPConfig, runtime: MPRuntime) -> None:
        self.config = config
        self.runtime = runtime
        self.worker_watch = WorkerWatch(runtime)

    def is_healthy(self) -> bool:
        """Return whether the engine reports that it is healthy."""
        return self.engine is not None and bool(self.engine.report_status()["is_healthy"])
