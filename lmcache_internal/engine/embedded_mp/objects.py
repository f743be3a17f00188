"""The keys of cached objects, and how tokens become keys."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..mp.runtime import ObjectName

MAX_SALT = 128
_SALT_FORBIDDEN = frozenset("@/\\\x00")


class ObjectKey(Struct, frozen=True):
    """The identity of an object: one rank's slice of one chunk.

    Raises:
        ValueError: a field breaks a rule; the message names it.
    """

    chunk_hash: bytes
    model_name: str
    kv_rank: int
    object_group_id: int = 0
    cache_salt: str = ""

    def __post_init__(self) -> None:
        if "@" in self.model_name:
            raise ValueError(f"model_name must not contain '@', got {self.model_name!r}")
        if self.object_group_id < 0:
            raise ValueError(f"object_group_id must be 0 or greater, got {self.object_group_id}")
        if _SALT_FORBIDDEN & set(self.cache_salt):
            raise ValueError(f"cache_salt must not contain '@', '/', '\\' or NUL, got {self.cache_salt!r}")
        if len(self.cache_salt) > MAX_SALT:
            raise ValueError(f"cache_salt must have at most {MAX_SALT} characters, got {len(self.cache_salt)}")

    @classmethod
    def of(cls, name: ObjectName) -> ObjectKey:
        """Return the key of `name`; raises `ValueError` where a field breaks a rule."""
        chunk_hash = bytes.fromhex(name.chunk_hash_hex)
        return cls(chunk_hash, name.model_name, name.kv_rank, name.object_group_id, name.cache_salt)

    @property
    def name(self) -> ObjectName:
        """The key as clients write it."""
        return ObjectName(self.chunk_hash.hex(), self.model_name, self.kv_rank, self.object_group_id, self.cache_salt)


class KeyEntry(Struct, frozen=True):
    """An object in a listing, with its size in bytes."""

    key: ObjectName
    size_bytes: int


class KeyPage(Struct, frozen=True):
    """One page of a listing; `next_page_token` is None on the last page."""

    entries: list[KeyEntry]
    next_page_token: str | None


def chunk_hashes(tokens: Sequence[int], chunk_size: int) -> Iterator[bytes]:
    """Yield the hash of each whole chunk of `tokens`; each hash covers the whole prefix."""
    digest = b""
    for start in range(0, len(tokens) - chunk_size + 1, chunk_size):
        digest = hashlib.sha256(digest + array("q", tokens[start : start + chunk_size]).tobytes()).digest()
        yield digest
