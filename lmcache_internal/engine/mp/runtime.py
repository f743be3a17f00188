"""What LMCache's MP server keeps in modules rather than in objects, behind one small protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from ..prefix import Prefix, StoredKeys
from ..runtime import BaseRuntime

ModelName = Annotated[str, Meta(pattern="^[^@]*$", max_length=1024)]
"""L2 adapters write `@` between the parts of a key."""
CacheSalt = Annotated[str, Meta(pattern=r"^[^@/\\\x00]*$", max_length=128)]
"""A part of file names in L2."""


class ObjectName(Struct, frozen=True):
    """The name of a cached object, as clients write it.

    Attributes:
        chunk_hash_hex: the hash of the chunk, hexadecimal.
        model_name: the model.
        kv_rank: the rank that holds this slice of the KV cache.
        object_group_id: 0 or greater.
        cache_salt: the tenant; empty for anonymous requests.
    """

    chunk_hash_hex: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})*$", max_length=1024)]
    model_name: ModelName
    kv_rank: int
    object_group_id: Annotated[int, Meta(ge=0)] = 0
    cache_salt: CacheSalt = ""


class Prompt(Struct, frozen=True):
    """The tokens of a prompt, as a worker of that model and world size looks them up.

    Attributes:
        cache_salt: the tenant; empty for anonymous requests.
    """

    model_name: str
    world_size: int
    tokens: list[int]
    cache_salt: str = ""


class Prefetch(Struct, frozen=True):
    """The state of a prefetch.

    Attributes:
        request_id: names it; empty where there was nothing to load.
        chunks: chunks of the tokens.
        is_complete: whether it has ended.
        found_keys: objects that were loaded.
        total_keys: objects that were requested.
    """

    request_id: str
    chunks: int = 0
    is_complete: bool = False
    found_keys: int = 0
    total_keys: int = 0


class WorkerState(Struct, frozen=True):
    """A registered worker.

    Attributes:
        instance_id: the id that it registered with.
        silent: seconds since its last message; None if the engine does not say.
        limit: seconds of silence after which the engine removes it; 0 if never.
    """

    instance_id: int
    silent: float | None = None
    limit: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether it has been silent for half of its limit or longer."""
        return self.silent is not None and 0 < self.limit <= 2 * self.silent


class BlockLayer(Protocol):
    """The KV cache of one layer of one worker, addressed by block."""

    @property
    def num_blocks(self) -> int:
        """The number of blocks."""

    def chunks(self, block_ids: Sequence[int], chunk_size: int) -> Iterable[bytes]:
        """The bytes of the blocks, `chunk_size` blocks in each piece, the last piece may have fewer."""


class MPRuntime(BaseRuntime, Protocol):
    """The surroundings of one MP engine: those of the embedded one, or of the installed LMCache."""

    def configs(self) -> dict[str, Any]:
        """The configuration of the server as plain data, by section."""

    def clear(self, force: bool) -> None:
        """Drop all objects of L1 that are not in use, and with `force` the others, too.

        Raises:
            NotSupported: this version of the engine cannot force it (501).
        """

    def object_key(self, name: ObjectName) -> Any:
        """The engine's key of an object.

        Raises:
            ValueError: a field breaks a rule of the engine; the message names the rule.
        """

    def submit_prefetch(self, model_name: str, world_size: int, token_ids: list[int], cache_salt: str) -> Prefetch:
        """Begin to load the chunks of `token_ids` from L2 into L1.

        Raises:
            BadRequest: a value breaks a rule of the engine (400).
            EngineUnavailable: no worker has registered that model with that world size (503).
        """

    def prefetch(self, request_id: str) -> Prefetch:
        """The state of a prefetch; its completion is reported once.

        Raises:
            NotFound: there is no such prefetch, or its completion was reported (404).
        """

    def prefix(self, prompt: Prompt) -> Prefix:
        """Return the chunks of a prompt, with the tiers that have them; nothing is loaded, locked or marked as used.

        Raises:
            BadRequest: a value breaks a rule of the engine, or there are too many chunks (400).
            EngineUnavailable: no worker has registered that model with that world size (503).
            NotSupported: this version of the engine cannot do it (501).
        """

    def stored_keys(self, prompt: Prompt, chunk_hash: str) -> StoredKeys:
        """Return the keys in L1 that have this hash, hexadecimal, as keys of the prompt's kind."""

    def block_layers(self, instance_id: int) -> Sequence[BlockLayer]:
        """The KV cache of a worker, layer by layer.

        Raises:
            NotFound: no worker has registered with that id, or it has no KV cache (404).
            NotSupported: the engine or the layout of the KV cache has no blocks that can be read (501).
        """

    def workers(self) -> list[WorkerState]:
        """The registered workers."""

    def l1_arenas(self) -> list[dict[str, Any]]:
        """The Device-DAX devices of L1.

        Raises:
            ApiError: L1 is not on Device-DAX (409).
        """

    def add_l1_device(self, device_path: str, size: int) -> dict[str, Any]:
        """Add a Device-DAX device of `size` bytes to L1; raises `ApiError` with the status that the engine gives."""

    def remove_l1_device(self, device_path: str) -> dict[str, Any]:
        """Drain and remove a Device-DAX device; raises `ApiError` with the status that the engine gives."""

    def l2_reconfigurations(self) -> list[dict[str, Any]]:
        """The status of each L2 adapter that can be reconfigured, with its `backend` and its `adapter_index`."""

    def reconfigure_l2(self, adapter_index: int, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an operation to an adapter; raises `ApiError` with the status that the engine gives."""

    def adapter_config(self, spec: Mapping[str, Any]) -> Any:
        """The engine's configuration of an L2 adapter, from the object that `--l2-adapter` takes.

        Raises:
            Exception: the configuration is invalid.
        """

    def adapter_settings(self, config: Any) -> dict[str, Any]:
        """The configuration of an L2 adapter as plain data."""

    def ping(self, seconds: float) -> str:
        """Send a PING through the server's own message queue; return how it went, in a few words.

        Raises:
            TimeoutError: there was no response within `seconds`.
        """
