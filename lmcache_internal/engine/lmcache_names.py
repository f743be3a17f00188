"""Find the module of LMCache that defines a name, by version; LMCache is imported when a name is loaded."""

from __future__ import annotations

import functools
import importlib
from typing import Any

TABLE: dict[str, dict[str, str]] = {
    "_CONFIG_DEFINITIONS": {"0.3.15": "lmcache.v1.config"},
    "Bitmap": {"0.5.6": "lmcache.lmcache_native"},
    "CacheEngineKey": {"0.3.15": "lmcache.utils"},
    "ChunkStatisticsLookupClient": {
        "0.3.15": "lmcache.v1.lookup_client.chunk_statistics_lookup_client",
        "0.5.7": "lmcache.inprocess.v1.lookup_client.chunk_statistics_lookup_client",
    },
    "COMMIT_ID": {"0.3.15": "lmcache.utils"},
    "CreateGPUConnector": {
        "0.3.15": "lmcache.v1.gpu_connector",
        "0.5.7": "lmcache.inprocess.v1.gpu_connector",
    },
    "DevDaxRemoveMode": {"0.5.6": "lmcache.v1.memory_allocators.devdax_memory_allocator"},
    "EngineType": {"0.3.15": "lmcache.utils"},
    "fold_unfold_grouped": {"0.5.6": "lmcache.v1.distributed.bitmap_ops.fold"},
    "get_registered_l2_adapter_types": {"0.3.15": "lmcache.v1.distributed.l2_adapters.config"},
    "get_version": {"0.3.15": "lmcache.utils"},
    "init_logger": {"0.3.15": "lmcache.logging"},
    "InternalAPIServer": {
        "0.3.15": "lmcache.v1.internal_api_server.api_server",
        "0.5.7": "lmcache.inprocess.v1.internal_api_server.api_server",
    },
    "LMCacheControllerManager": {
        "0.3.15": "lmcache.v1.cache_controller.controller_manager",
        "0.5.7": "lmcache.inprocess.v1.cache_controller.controller_manager",
    },
    "LMCacheEngine": {"0.3.15": "lmcache.v1.cache_engine", "0.5.7": "lmcache.inprocess.v1.cache_engine"},
    "LMCacheEngineConfig": {"0.3.15": "lmcache.v1.config"},
    "LMCacheManager": {"0.3.15": "lmcache.v1.manager", "0.5.7": "lmcache.inprocess.v1.manager"},
    "LMCacheMetadata": {"0.3.15": "lmcache.v1.metadata"},
    "LookupClientFactory": {
        "0.3.15": "lmcache.v1.lookup_client.factory",
        "0.5.7": "lmcache.inprocess.v1.lookup_client.factory",
    },
    "main": {"0.3.15": "lmcache.v1.standalone.__main__", "0.5.7": "lmcache.inprocess.standalone.__main__"},
    "mock_up_broadcast_fn": {"0.3.15": "lmcache.utils"},
    "mock_up_broadcast_object_fn": {"0.3.15": "lmcache.utils"},
    "MPCacheServer": {"0.5.6": "lmcache.v1.multiprocess.server"},
    "normalize_kv_and_discover_format": {"0.4.7": "lmcache.v1.gpu_connector.utils"},
    "ObjectKey": {"0.3.15": "lmcache.v1.distributed.api"},
    "parse_args_to_l2_adapters_config": {"0.3.15": "lmcache.v1.distributed.l2_adapters.config"},
    "PeriodicThreadRegistry": {"0.3.15": "lmcache.v1.periodic_thread"},
    "PrefetchService": {"0.5.6": "lmcache.v1.multiprocess.cache_control.prefetch_service"},
    "QuotaManager": {"0.4.7": "lmcache.v1.distributed.quota_manager"},
    "RegisterMsg": {
        "0.3.15": "lmcache.v1.cache_controller.message",
        "0.5.7": "lmcache.inprocess.v1.cache_controller.message",
    },
    "RemoteBackend": {"0.3.15": "lmcache.v1.storage_backend.remote_backend"},
    "RequestClientFactory": {"0.5.6": "lmcache.v1.multiprocess.transport.factory"},
    "reset_observability_metrics": {"0.3.15": "lmcache.observability"},
    "resolve_grouped_object_keys": {"0.5.6": "lmcache.v1.multiprocess.cache_control.key_resolver"},
    "StandaloneLMCacheManager": {
        "0.3.15": "lmcache.v1.standalone.manager",
        "0.5.7": "lmcache.inprocess.standalone.manager",
    },
    "StorageManager": {"0.3.15": "lmcache.v1.distributed.storage_manager"},
    "Tier": {"0.5.6": "lmcache.v1.distributed.api"},
    "VERSION": {"0.3.15": "lmcache.utils"},
    "VllmServiceFactory": {
        "0.4.7": "lmcache.integration.vllm.vllm_service_factory",
        "0.5.7": "lmcache.inprocess.integration.vllm.vllm_service_factory",
    },
}
"""Name to the modules that define it, each with the first tested version in which it does."""


def modules_of(name: str) -> list[str]:
    """Return the modules that define `name` in any version, newest first."""
    return list(reversed(TABLE[name].values()))


@functools.cache
def module_of(name: str) -> str:
    """Import and return the module that defines `name` in the installed LMCache.

    Raises:
        ImportError: none of the known modules defines it.
    """
    for module in modules_of(name):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not _is_within(module, error.name):
                # The module exists, but one of its dependencies is missing.
                message = f"{installed()} cannot import {name} from {module}: {error}"
                raise ModuleNotFoundError(message, name=error.name) from error
        else:
            if hasattr(found, name):
                return module
    raise ImportError(
        f"{installed()} has no {name} in {' or '.join(modules_of(name))}. Install a version of LMCache that "
        "docs/lmcache.md lists as supported, or a newer lmcache-internal."
    )


def load(name: str) -> Any:
    """Import the module that defines `name` and return the object.

    Raises:
        ImportError: none of the known modules defines it.
    """
    return getattr(importlib.import_module(module_of(name)), name)


def installed() -> str:
    """Return the version of the installed LMCache for messages: "LMCache 0.5.6"."""
    from importlib.metadata import PackageNotFoundError, version  # Here, because this import is slow.

    try:
        return f"LMCache {version('lmcache')}"
    except PackageNotFoundError:
        return "LMCache (unknown version)"


def _is_within(module: str, missing: str | None) -> bool:
    return missing is not None and f"{module}.".startswith(f"{missing}.")
