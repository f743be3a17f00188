"""The surroundings of the embedded MP engine."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...conversion import cut
from ...errors import BadRequest, Conflict, EngineUnavailable, NotFound, NotSupported
from ...version import __version__
from ..mp.prefix import Tier, prefix_of, stored_keys_of, tier_names, whole_prefix
from ..mp.runtime import BlockLayer, MPRuntime, ObjectName, Prefetch, Prompt, WorkerState
from ..prefix import MAX_CHUNKS, Prefix, StoredKeys
from .directory import TYPE_NAME, DirectoryConfig
from .objects import ObjectKey
from .server import EmbeddedMPServer


class EmbeddedMPRuntime(MPRuntime):
    """The `MPRuntime` of one embedded MP engine.

    Args:
        server: the engine.
        configs: its configuration as plain data, by section.
    """

    lmc_version = f"{__version__}+embedded"
    commit_id = "embedded"
    version = f"{lmc_version}-{commit_id}"

    def __init__(self, server: EmbeddedMPServer, configs: Mapping[str, Any]) -> None:
        self._server = server
        self._configs = dict(configs)
        self._prefetches: dict[str, Prefetch] = {}
        self._lock = threading.Lock()

    def periodic_threads(self) -> list[dict[str, Any]]:
        """The status of each thread."""
        return [thread.get_status() for thread in self._server.periodic_threads]

    def reset_metrics(self) -> None:
        """Raise `NotSupported` (501): this engine has no metrics."""
        raise NotSupported("The embedded MP engine has no metrics that could be reset.")

    def configs(self) -> dict[str, Any]:
        """The configuration, with the L2 adapters that the server has now."""
        adapters = [
            self.adapter_settings(descriptor.config) for descriptor, _ in self._server.storage_manager.l2_adapters()
        ]
        storage = {**self._configs["storage_manager"], "l2_adapter_config": {"adapters": adapters}}
        return {**self._configs, "storage_manager": storage}

    def clear(self, force: bool) -> None:
        """Drop the objects of L1."""
        self._server.clear(force)

    def object_key(self, name: ObjectName) -> ObjectKey:
        """The key of an object."""
        return ObjectKey.of(name)

    def submit_prefetch(self, model_name: str, world_size: int, token_ids: list[int], cache_salt: str) -> Prefetch:
        """Load the chunks of `token_ids` from L2 into L1; it has ended when this returns."""
        keys = self._keys(Prompt(model_name, world_size, token_ids, cache_salt))
        if not keys:
            return Prefetch("")
        loaded = sum(map(self._server.storage_manager.load, keys))
        found = Prefetch(uuid.uuid4().hex, len(keys) // world_size, True, loaded, len(keys))
        with self._lock:
            self._prefetches[found.request_id] = found
        return found

    def prefetch(self, request_id: str) -> Prefetch:
        """The state of a prefetch, once."""
        with self._lock:
            found = self._prefetches.pop(request_id, None)
        if found is None:
            raise NotFound(
                f"Unknown prefetch request_id={request_id[:100]!r}: it has ended and was reported, or never was"
            )
        return found

    def prefix(self, prompt: Prompt) -> Prefix:
        """Return the chunks of a prompt, with the tiers that have them."""
        size = self._server.chunk_size
        if len(prompt.tokens) // size > MAX_CHUNKS:
            raise BadRequest(f"At most {MAX_CHUNKS} chunks of {size} tokens, got {len(prompt.tokens) // size}")
        keys = self._keys(prompt)
        adapters = self._server.storage_manager.l2_adapters()
        names = tier_names([descriptor.type_name for descriptor, _ in adapters])
        tiers = [Tier("L1", set(self._server.storage_manager.l1.keys()))]
        tiers += [
            Tier(name, set(filter(adapter.contains, keys))) for name, (_, adapter) in zip(names, adapters, strict=True)
        ]
        rows = [keys[rank :: prompt.world_size] for rank in range(prompt.world_size)]
        return prefix_of(prompt, size, rows, tiers, whole_prefix)

    def stored_keys(self, prompt: Prompt, chunk_hash: str) -> StoredKeys:
        """Return the keys in L1 that have this hash."""
        keys = self._server.storage_manager.l1.keys()
        not_listed = ["L2"] if self._server.storage_manager.l2_adapters() else []
        return stored_keys_of(prompt, chunk_hash, keys, range(prompt.world_size), not_listed)

    def _keys(self, prompt: Prompt) -> list[ObjectKey]:
        registered = {(worker.model_name, worker.world_size) for worker in self._server.workers.values()}
        if (prompt.model_name, prompt.world_size) not in registered:
            raise EngineUnavailable(
                f"No worker has registered model_name={prompt.model_name!r} with world_size={prompt.world_size} yet."
            )
        try:
            return self._server.keys_of(prompt.model_name, prompt.world_size, prompt.tokens, prompt.cache_salt)
        except (ValueError, OverflowError) as error:
            raise BadRequest(str(error)) from None

    def block_layers(self, instance_id: int) -> Sequence[BlockLayer]:
        """The KV cache of a worker."""
        worker = self._server.workers.get(instance_id)
        if worker is None:
            raise NotFound(f"No worker has registered with instance_id {instance_id}")
        return worker.layers

    def workers(self) -> list[WorkerState]:
        """The registered workers."""
        server, now = self._server, time.monotonic()
        return [WorkerState(each, now - server.last_seen[each], server.reap_seconds) for each in list(server.workers)]

    def l1_arenas(self) -> list[dict[str, Any]]:
        """Raise `Conflict` (409): L1 is memory."""
        raise Conflict("L1 is memory, not a Device-DAX device", title="L1 is not Device-DAX backed")

    def add_l1_device(self, device_path: str, size: int) -> dict[str, Any]:  # noqa: ARG002  # The protocol's.
        """Raise `Conflict` (409): L1 is memory."""
        raise Conflict(f"{device_path} cannot be added: L1 is memory", title="L1 is not Device-DAX backed")

    def remove_l1_device(self, device_path: str) -> dict[str, Any]:
        """Raise `Conflict` (409): L1 is memory."""
        raise Conflict(f"{device_path} cannot be removed: L1 is memory", title="L1 is not Device-DAX backed")

    def l2_reconfigurations(self) -> list[dict[str, Any]]:
        """None: a directory cannot be reconfigured."""
        return []

    def reconfigure_l2(self, adapter_index: int, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Raise `NotFound` (404): a directory cannot be reconfigured."""
        raise NotFound(f"L2 adapter {adapter_index} cannot be reconfigured", title="Adapter not found")

    def adapter_config(self, spec: Mapping[str, Any]) -> DirectoryConfig:
        """The configuration of a directory."""
        if spec.get("type") != TYPE_NAME:
            raise BadRequest(
                f"type: expected {TYPE_NAME}, got {cut(str(spec.get('type')))!r}", title="Unknown adapter type"
            )
        settings = {name: value for name, value in spec.items() if name != "type"}
        return msgspec.convert(settings, DirectoryConfig)  # Its error is a ValueError.

    def adapter_settings(self, config: DirectoryConfig) -> dict[str, Any]:
        """The configuration of a directory."""
        return {"type": TYPE_NAME, **msgspec.to_builtins(config)}

    def ping(self, seconds: float) -> str:  # noqa: ARG002  # The protocol's.
        """The embedded engine is called directly."""
        return "it has no message queue"
