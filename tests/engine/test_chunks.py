"""Chunk keys: only for complete chunks, and dependent on all tokens before."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from lmcache_internal import EmbeddedMetadata
from lmcache_internal.engine.embedded.chunks import ChunkKey, chunk_keys
from tests.support import CHUNK, SHAPE

METADATA = EmbeddedMetadata("m", SHAPE)


def keys(tokens: list[int], metadata: EmbeddedMetadata = METADATA) -> list[ChunkKey]:
    return [key for _, key in chunk_keys(tokens, metadata)]


@pytest.mark.parametrize(("tokens", "starts"), [(0, []), (15, []), (16, [0]), (31, [0]), (32, [0, 16]), (47, [0, 16])])
def test_only_complete_chunks_have_keys(tokens: int, starts: list[int]) -> None:
    assert [start for start, _ in chunk_keys(range(tokens), METADATA)] == starts


def test_hashes_are_stable_because_files_contain_them() -> None:
    assert [key.chunk_hash for key in keys(list(range(2 * CHUNK)))] == [
        "f23d672bb9b341f9afa8498423b75deb80e726145969391d4b9392464c2298ee",
        "ed58ccb85d08817911eff35222886efb0a7a359624d9e3f8bb4e7537dbad8cb8",
    ]


def test_equal_chunks_after_different_prefixes_have_different_keys() -> None:
    chunk = [7] * CHUNK
    assert len(set(keys(chunk * 3))) == 3
    assert keys([1] * CHUNK + chunk)[1] != keys([2] * CHUNK + chunk)[1]


def test_common_prefixes_have_common_keys() -> None:
    prefix = list(range(2 * CHUNK))
    one, other = keys(prefix + [1] * CHUNK), keys(prefix + [2] * CHUNK)
    assert one[:2] == other[:2] == keys(prefix)
    assert one[2] != other[2]


@pytest.mark.parametrize("change", [{"model_name": "n"}, {"world_size": 2}, {"worker_id": 1}])
def test_models_and_workers_share_no_keys(change: dict[str, str | int]) -> None:
    tokens = list(range(CHUNK))
    assert keys(tokens) != keys(tokens, replace(METADATA, **change))  # type: ignore[arg-type]  # Fields of both types.


def test_tokens_may_be_any_sequence_and_negative() -> None:
    tokens = [-1, *range(CHUNK - 1)]
    assert keys(tokens) == [key for _, key in chunk_keys(tuple(tokens), METADATA)]
    assert keys(tokens) == [key for _, key in chunk_keys(array("l", tokens), METADATA)]


def test_key_has_lmcaches_text_format() -> None:
    assert str(ChunkKey("m", 2, 1, "ab")) == "m@2@1@ab"
