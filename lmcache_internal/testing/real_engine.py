"""Creates real LMCache managers on CPU, without vLLM or GPU; only the GPU connector is LMCache's own mock.

Importing this module imports LMCache.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("LMCACHE_TRACK_USAGE", "false")

import torch

from ..engine.lmcache_names import load

_LAYERS, _HEADS, _HEAD_SIZE = 2, 4, 16
_KV_CACHE = (2, 2, 256, _HEADS, _HEAD_SIZE)
"""Shape of one layer: (keys and values, blocks, tokens per block, heads, head size)."""


def config(values: Mapping[str, Any]) -> Any:
    """Return the config of a small engine, without keys that the installed LMCache does not know."""
    defaults: dict[str, Any] = {"chunk_size": 256, "max_local_cpu_size": 0.25, "lookup_timeout_ms": 500}
    defaults["internal_api_server_host"] = "127.0.0.1"  # Before LMCache 0.5, the default is all interfaces.
    # LMCache 0.3 does not generate an instance id and would treat two engines as one.
    defaults["lmcache_instance_id"] = uuid.uuid4().hex
    chosen = defaults | dict(values)
    known = load("_CONFIG_DEFINITIONS")
    return load("LMCacheEngineConfig").from_defaults(**{key: value for key, value in chosen.items() if key in known})


def make_worker(engine_id: str = "test", **values: Any) -> Any:
    """Return the initialized manager of a worker; its KV caches have the same content at each start.

    Args:
        engine_id: the same for the worker and the scheduler of one engine.
        values: values of its config.
    """
    torch.manual_seed(0)
    kv_caches = {f"model.layers.{layer}": torch.rand(_KV_CACHE, dtype=torch.float16) for layer in range(_LAYERS)}
    connector = SimpleNamespace(kv_caches=kv_caches, get_inference_info=lambda: {"engine": "none"})
    settings = config(values)
    meta = _metadata("worker", engine_id, settings.chunk_size)
    manager = load("StandaloneLMCacheManager")(
        config=settings,
        metadata=meta,
        gpu_connector=load("CreateGPUConnector")(settings, meta, load("EngineType").MOCK),
        broadcast_fn=load("mock_up_broadcast_fn"),
        broadcast_object_fn=load("mock_up_broadcast_object_fn"),
        connector=connector,
    )
    manager.post_init()
    manager.start_services()
    return manager


def make_scheduler(engine_id: str = "test", **values: Any) -> Any:
    """Return the manager of a scheduler from the service factory that vLLM uses; arguments as in `make_worker`."""
    settings = config(values)
    meta = _metadata("scheduler", engine_id, settings.chunk_size)
    try:
        make_factory = load("VllmServiceFactory")
    except ImportError:
        manager = _scheduler_without_factories(settings, meta)
    else:
        parallel = SimpleNamespace(data_parallel_rank_local=0, tensor_parallel_size=1)
        factory = make_factory(settings, SimpleNamespace(parallel_config=parallel), "scheduler")
        factory.metadata = meta
        manager = load("LMCacheManager")(settings, factory, connector=None)
    manager.post_init()
    manager.start_services()
    return manager


def _scheduler_without_factories(settings: Any, meta: Any) -> Any:
    """Return the manager of a scheduler of LMCache 0.3, which has no factories and takes the metadata from vLLM."""

    class Scheduler(load("LMCacheManager")):  # type: ignore[misc]  # LMCache has no types.
        def _init_components(self) -> None:
            self._lmcache_engine_metadata = meta
            self._lookup_client = load("LookupClientFactory").create_lookup_client(settings, meta, None)
            self._api_server = load("InternalAPIServer")(self)

    return Scheduler(settings, vllm_config=None, role="scheduler", connector=None)


def _metadata(role: str, engine_id: str, chunk_size: int) -> Any:
    return load("LMCacheMetadata")(
        model_name="test-model",
        world_size=1,
        local_world_size=1,
        worker_id=0,
        local_worker_id=0,
        kv_dtype=torch.float16,
        kv_shape=(_LAYERS, 2, chunk_size, _HEADS, _HEAD_SIZE),
        role=role,
        engine_id=engine_id,
    )
