"""The surroundings of LMCache's MP server: all that the MP adapter imports of LMCache."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import ApiError, BadRequest, Conflict, EngineFailed, EngineUnavailable, NotFound, NotSupported
from ...redaction import redact
from ..lmcache_names import load
from ..lmcache_version import LMCacheVersion
from ..prefix import Prefix, StoredKeys
from .config import MPConfig
from .lmcache_adapters import parsed_adapter
from .lmcache_prefix import read_prefix, read_stored_keys
from .manager import MPManager
from .plain import plain, plain_adapter
from .runtime import BlockLayer, MPRuntime, ObjectName, Prefetch, Prompt, WorkerState
from .tensors import layers_of
from .worker_states import states_of

_LATE_SECONDS = 1.0
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    404: NotFound,
    409: Conflict,
    501: NotSupported,
    503: EngineUnavailable,
}
_BY_NAME: dict[str, type[ApiError]] = {
    "InvalidRequest": BadRequest,
    "NotFound": NotFound,
    "Unavailable": EngineUnavailable,
}


class LMCacheMPRuntime(LMCacheVersion, MPRuntime):
    """The `MPRuntime` of one `MPCacheServer`.

    Args:
        state: the `state` of LMCache's own app, with `engine` and `configs`; the engine comes later than the app.
    """

    def __init__(self, state: Any) -> None:
        self._state = state
        self._prefetches: Any = None

    def periodic_threads(self) -> list[dict[str, Any]]:
        """The status of each thread in LMCache's registry; one that ran within the last second is active.

        LMCache counts a thread as late after three intervals. One thread has an interval of 5 ms, so that any
        thread switch would make it late.
        """
        found = [thread.get_status() for thread in load("PeriodicThreadRegistry").get_instance().get_all()]
        return [{**status, "is_active": status["is_active"] or _ran_lately(status)} for status in found]

    def reset_metrics(self) -> None:
        """Raise `NotSupported` (501): the metrics of an MP server are OpenTelemetry's, which has no reset."""
        raise NotSupported(
            "The metrics of LMCache's MP server are OpenTelemetry counters, which cannot be reset. "
            "Compare two scrapes instead, as Prometheus' rate() does."
        )

    def configs(self) -> dict[str, Any]:
        """The configuration of the server, with the L2 adapters that it has now."""
        found = {name: plain(section) for name, section in self._state.configs.items()}
        current = getattr(getattr(self._engine, "storage_manager", None), "l2_adapters", None)
        if current is not None:  # LMCache 0.4.7 has none.
            adapters = [plain_adapter(descriptor.config) for descriptor, _ in current()]
            found["storage_manager"]["l2_adapter_config"]["adapters"] = adapters
        return found

    def clear(self, force: bool) -> None:
        """Drop the objects of L1; LMCache before 0.5.6 cannot force it."""
        if not force:
            self._engine.clear()
        elif "force" in inspect.signature(self._engine.clear).parameters:
            self._engine.clear(force=True)
        else:
            raise NotSupported("This version of LMCache cannot clear objects that are in use; LMCache 0.5.6 can.")

    def object_key(self, name: ObjectName) -> Any:
        """LMCache's `ObjectKey`."""
        return load("ObjectKey")(
            chunk_hash=bytes.fromhex(name.chunk_hash_hex),
            model_name=name.model_name,
            kv_rank=name.kv_rank,
            object_group_id=name.object_group_id,
            cache_salt=name.cache_salt,
        )

    def submit_prefetch(self, model_name: str, world_size: int, token_ids: list[int], cache_salt: str) -> Prefetch:
        """Begin to load the chunks of `token_ids`."""
        with _translated():
            found = self._service().submit(
                model_name=model_name,
                world_size=world_size,
                token_ids=token_ids,
                cache_salt=cache_salt,
                source_tier=load("Tier")("l2"),
                target_tier=load("Tier")("l1"),
            )
        return Prefetch(found.get("request_id", ""), found["chunks"])

    def prefetch(self, request_id: str) -> Prefetch:
        """The state of a prefetch, once where it has ended."""
        with _translated():
            found = self._service().status(request_id)
        counts = (found.get("found_keys", 0), found.get("total_keys", 0))
        return Prefetch(request_id, 0, found["status"] == "completed", *counts)

    def prefix(self, prompt: Prompt) -> Prefix:
        """Return the chunks of a prompt, with the tiers that have them."""
        with _translated():
            return read_prefix(self._engine, prompt)

    def stored_keys(self, prompt: Prompt, chunk_hash: str) -> StoredKeys:
        """Return the keys in L1 that have this hash."""
        return read_stored_keys(self._engine, prompt, chunk_hash)

    def block_layers(self, instance_id: int) -> Sequence[BlockLayer]:
        """The KV cache of a worker; 501 where the workers keep theirs to themselves."""
        contexts = getattr(self._engine, "cache_contexts", None)
        if contexts is None:
            raise NotSupported("This engine has no KV caches of workers: it was started with engine-driven transfer.")
        if instance_id not in contexts:
            known = ", ".join(map(str, list(contexts)[:10])) or "none"
            raise NotFound(f"No worker has registered with instance_id {instance_id}; there are: {known}")
        return layers_of(contexts[instance_id])

    def workers(self) -> list[WorkerState]:
        """The registered workers."""
        return states_of(self._engine, self._state.configs["mp"])

    def l1_arenas(self) -> list[dict[str, Any]]:
        """The Device-DAX devices of L1."""
        with _translated():
            return [_arena(each) for each in self._storage.get_l1_devdax_arena_statuses()]

    def add_l1_device(self, device_path: str, size: int) -> dict[str, Any]:
        """Add a device to L1."""
        with _translated():
            return _arena(self._storage.add_l1_devdax_device(device_path, size))

    def remove_l1_device(self, device_path: str) -> dict[str, Any]:
        """Drain and remove a device of L1."""
        with _translated():
            return _arena(self._storage.remove_l1_devdax_device(device_path, load("DevDaxRemoveMode")("drain")))

    def l2_reconfigurations(self) -> list[dict[str, Any]]:
        """The status of each L2 adapter that can be reconfigured."""
        return list(self._storage.get_l2_adapter_reconfigure_status()["adapters"])

    def reconfigure_l2(self, adapter_index: int, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an operation to an adapter."""
        with _translated():
            return dict(self._storage.reconfigure_l2_adapter(adapter_index, operation, dict(payload)))

    def adapter_config(self, spec: Mapping[str, Any]) -> Any:
        """LMCache's configuration of an L2 adapter, by the parser of its command line."""
        return parsed_adapter(spec)

    def adapter_settings(self, config: Any) -> dict[str, Any]:
        """The configuration of an L2 adapter."""
        return plain_adapter(config)

    def ping(self, seconds: float) -> str:
        """Send a PING as a worker does; `TimeoutError` without a response."""
        config = self._state.configs["mp"]
        try:
            factory = load("RequestClientFactory")
        except ImportError:
            return "not checked: this version of LMCache has no client for it; LMCache 0.5.6 has one"
        client = factory.create(_transport_url(config))
        try:
            client.ping(None).result(timeout=seconds)
        finally:
            client.close()
        return f"PING over {getattr(config, 'transport', 'zmq')}"

    @property
    def _engine(self) -> Any:
        return self._state.engine

    @property
    def _storage(self) -> Any:
        return self._engine.storage_manager

    def _service(self) -> Any:
        if self._prefetches is None:
            try:
                self._prefetches = load("PrefetchService")(self._engine)
            except ImportError as error:
                raise NotSupported(f"Prefetches need LMCache 0.5.6: {error}") from None
        return self._prefetches


class LMCacheMPManager(MPManager):
    """The manager of LMCache's MP server.

    Args:
        config: the settings of this server.
        state: the `state` of LMCache's own app.
    """

    def __init__(self, config: MPConfig, state: Any) -> None:
        self._state = state
        super().__init__(config, LMCacheMPRuntime(state))

    @property
    def engine(self) -> Any:
        """LMCache's `MPCacheServer`; None while it starts."""
        return getattr(self._state, "engine", None)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise LMCache's errors of a request as ours: those that have a status, and those of its cache control."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:  # The types of its errors differ between versions; an unknown one is raised again.
        status = getattr(error, "status_code", None)
        kind = _BY_STATUS.get(status, EngineFailed) if status else _BY_NAME.get(type(error).__name__)
        if kind is None:
            raise
        raise kind(redact(str(error)), title=redact(str(error))) from None


def _ran_lately(status: Mapping[str, Any]) -> bool:
    ago = status["last_run_ago"]
    return bool(status["is_running"]) and ago is not None and ago < _LATE_SECONDS


def _arena(status: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(status), "state": status.state.value}


def _transport_url(config: Any) -> str:
    host = "127.0.0.1" if config.host in ("0.0.0.0", "*", "") else config.host  # noqa: S104  # Compared, not bound.
    scheme = "grpc" if getattr(config, "transport", "zmq") == "grpc" else "tcp"
    return f"{scheme}://{host.removeprefix('tcp://')}:{config.port}"
