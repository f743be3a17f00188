"""The manager of an MP server: what `app.state.lmcache_adapter` holds in MP mode."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..kinds import EngineKind
from .config import MPConfig
from .runtime import MPRuntime


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
    """Holds one MP engine and what belongs to it.

    Args:
        config: the settings of this server.
        engine: LMCache's `MPCacheServer` or the embedded MP engine; None while it starts.
        runtime: its surroundings.
    """

    engine_kind: EngineKind = "mp"
    lmcache_engine = None
    """There is no in-process engine."""
    lmcache_engine_metadata = MPMetadata()

    def __init__(self, config: MPConfig, engine: Any, runtime: MPRuntime) -> None:
        self.config = config
        self.engine = engine
        self.runtime = runtime

    def is_healthy(self) -> bool:
        """Return whether the engine reports that it is healthy."""
        return self.engine is not None and bool(self.engine.report_status()["is_healthy"])
