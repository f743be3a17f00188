"""Creates a small embedded engine for tests."""

from __future__ import annotations

from typing import Any

from ..engine.embedded import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata

SHAPE = (2, 2, 16, 2, 4)
"""(layers, keys and values, tokens per chunk, KV heads, head size)."""


def make_manager(role: str = "worker", worker_id: int = 0, world_size: int = 2, **values: Any) -> EmbeddedManager:
    """Return the manager of a small embedded engine, with `values` in its config.

    Raises:
        ConfigError: a value is invalid.
    """
    layers, planes, tokens, heads, head_size = SHAPE
    config = EmbeddedConfig({"chunk_size": tokens, **values})
    shape = (layers, planes, config.chunk_size, heads, head_size)
    metadata = EmbeddedMetadata("test-model", shape, worker_id=worker_id, world_size=world_size, role=role)
    return EmbeddedManager(config, metadata)
