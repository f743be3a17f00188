"""gzip that nobody else gets the interpreter's lock for, and everybody's gunzip reads."""

from __future__ import annotations

import gzip
import random
import sys
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcache_internal import compression
from lmcache_internal.compression import gzipped
from tests.support import nobody_is_made_to_wait

SCRAPE = b'lmcache:num_store_requests_total{worker_id="3"} 17.0\n' * 600


@given(st.binary(max_size=5000))
def test_it_is_the_same_after_gunzip(data: bytes) -> None:
    assert gzip.decompress(gzipped(data)) == data


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 99_999, 100_001, 3_000_000])
@pytest.mark.parametrize("kind", ["random", "text"])
def test_of_any_size(size: int, kind: str) -> None:
    data = random.Random(size).randbytes(size) if kind == "random" else (SCRAPE * (size // len(SCRAPE) + 1))[:size]
    made = gzipped(data)
    # In pieces, as a client reads it: one member, with nothing after it.
    reader = zlib.decompressobj(wbits=31)
    assert b"".join(reader.decompress(made[at : at + 1000]) for at in range(0, len(made), 1000)) == data
    assert reader.eof
    assert not reader.unused_data
    assert len(made) < size / 20 + 100 if kind == "text" else len(made) < size * 1.01 + 100


def test_without_the_library_python_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_libz", None)
    assert gzip.decompress(gzipped(SCRAPE)) == SCRAPE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, Python does it")
def test_nobody_gets_the_lock_meanwhile() -> None:
    assert compression._libz is not None
    with nobody_is_made_to_wait() as counted:
        time.sleep(0.01)
        before = counted[0]
        for _ in range(20):
            gzipped(SCRAPE)
        assert counted[0] == before > 0


def test_others_get_it_where_that_takes_long() -> None:
    with nobody_is_made_to_wait() as counted:
        time.sleep(0.01)
        before = counted[0]
        gzipped(SCRAPE * 200)
        assert counted[0] > before
