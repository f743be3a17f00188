"""The memory limit of all connections; tests/faults checks it over sockets with much larger loads."""

from __future__ import annotations

import contextlib
import random
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from lmcache_internal.serving.memory import (
    MAX_BODIES_BYTES,
    MAX_UNREAD_BYTES,
    BlockedWriters,
    MemoryBudget,
    ResponseBuffer,
)
from tests.linear import is_linear, repeated
from tests.support import allocated_bytes, in_thread


class Request:
    """A request with a body of `announced_bytes`."""

    def __init__(self, announced_bytes: int) -> None:
        self.announced_bytes = announced_bytes
        self.admitted = False


class Connection:
    """A connection with the attributes that the memory limit reads."""

    def __init__(self, unread: int = 0, body: int = 0, read: int = 0, last_activity: float = 0.0) -> None:
        self.body_bytes = body
        self.held_bytes = self.total_outbufs_len = unread
        self.read_bytes = read
        self.last_activity = last_activity
        self.kept = b""
        self.is_dropped = False
        self.connected = True

    def keep(self, data: memoryview) -> None:
        self.kept += bytes(data)

    def drop(self) -> None:
        self.is_dropped = True
        self.connected = False


def memory_of(*connections: Connection) -> MemoryBudget:
    memory = MemoryBudget()
    memory.add(SimpleNamespace(active_channels=dict(enumerate(connections))))
    return memory


def test_bodies_share_one_limit() -> None:
    other = Connection(body=MAX_BODIES_BYTES - 10)
    memory = memory_of(other, Connection(body=4))
    assert [memory.admit_body(Request(size)) for size in (6, 7)] == [True, False]
    other.body_bytes = 0
    assert memory.admit_body(Request(MAX_BODIES_BYTES - 4))


def test_threads_that_admit_bodies_at_once_share_the_limit() -> None:
    class Slow(Connection):
        """A connection whose size takes a while to read, so that both threads read it before either admits."""

        def __init__(self, request: Request) -> None:
            self.request = request
            super().__init__()

        @property
        def body_bytes(self) -> int:
            found = self.request.announced_bytes if self.request.admitted else 0
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.2)
            return found

        @body_bytes.setter
        def body_bytes(self, _: int) -> None: ...

    both = threading.Barrier(2)
    requests = [Request(MAX_BODIES_BYTES // 2 + 1) for _ in range(2)]
    memory = memory_of(*map(Slow, requests))
    for thread, _ in [in_thread(partial(memory.admit_body, request)) for request in requests]:
        thread.join()
    assert sorted(request.admitted for request in requests) == [False, True]


@pytest.mark.parametrize(("size", "dropped"), [(10, []), (11, [0]), (MAX_UNREAD_BYTES // 2 + 11, [0, 1])])
def test_the_clients_that_have_read_least_are_disconnected_and_no_more_than_needed(
    size: int, dropped: list[int]
) -> None:
    half = MAX_UNREAD_BYTES // 2
    waiting = [
        Connection(unread=half - 10, read=5, last_activity=1.0),
        Connection(unread=half, read=5, last_activity=2.0),
        Connection(unread=0, read=0),
    ]
    writer = Connection(read=0)
    memory = memory_of(*reversed(waiting), writer)
    memory.keep(writer, memoryview(bytes(size)))
    assert [place for place, connection in enumerate(waiting) if connection.is_dropped] == dropped
    assert not writer.is_dropped
    assert len(writer.kept) == size


def test_the_writers_own_unread_bytes_count() -> None:
    writer, other = Connection(unread=MAX_UNREAD_BYTES - 1), Connection(unread=1)
    memory = memory_of(writer, other)
    memory.keep(writer, memoryview(b"x"))
    assert other.is_dropped
    assert not writer.is_dropped


def test_a_slice_counts_as_the_chunk_that_it_keeps_in_memory() -> None:
    writer, other = Connection(), Connection(unread=1)
    memory = memory_of(writer, other)
    memory.keep(writer, memoryview(bytes(MAX_UNREAD_BYTES))[-1:])
    assert other.is_dropped


def test_a_response_is_sent_in_pieces_and_freed() -> None:
    buffer = ResponseBuffer()
    assert bytes(buffer.get(5)) == b""
    buffer.append(memoryview(b"0" * 4000 + b"1" * 6000))
    buffer.append(memoryview(b"2" * 3000))
    assert (len(buffer), buffer.held_bytes) == (13_000, 13_000)
    assert bytes(buffer.get(4000)) == b"0" * 4000
    buffer.skip(4000)
    assert (len(buffer), buffer.held_bytes) == (9000, 13_000)
    assert bytes(buffer.get(100_000)) == b"1" * 6000
    buffer.skip(6000)
    assert (len(buffer), buffer.held_bytes) == (3000, 3000)
    assert bytes(buffer.get(100_000)) == b"2" * 3000
    buffer.close()
    assert (len(buffer), buffer.held_bytes) == (0, 0)
    assert bytes(buffer.get(1)) == b""


def test_at_most_64_kib_are_copied_at_once() -> None:
    buffer = ResponseBuffer()
    buffer.append(memoryview(bytes(200_000)))
    assert len(buffer.get(200_000)) == 64 << 10


def test_above_the_limit_of_blocked_writers_the_client_that_has_read_least_is_disconnected() -> None:
    writers = BlockedWriters(2)
    reader, stalled, newcomer = Connection(read=9), Connection(read=1), Connection(read=5)
    for connection in (reader, stalled, newcomer):
        writers.add(connection)
    assert [connection.is_dropped for connection in (reader, stalled, newcomer)] == [False, True, False]
    writers.remove(stalled)
    writers.remove(reader)
    last = Connection()
    writers.add(last)
    assert not last.is_dropped
    slowest = Connection()
    writers.add(slowest)  # It has read as little as the one before, and has stalled as long.
    assert last.is_dropped != slowest.is_dropped


def test_small_chunks_are_joined() -> None:
    chance = random.Random(1)
    chunks = [bytes([number % 256]) * chance.choice([1, 10, 5000, 9000]) for number in range(500)]
    buffer, sent = ResponseBuffer(), b""
    for chunk in chunks:
        buffer.append(memoryview(chunk))
        if chance.random() < 0.3:
            piece = bytes(buffer.get(chance.randrange(1, 20_000)))
            buffer.skip(len(piece))
            sent += piece
        assert buffer.held_bytes >= len(buffer)
    while piece := bytes(buffer.get(1 << 20)):
        buffer.skip(len(piece))
        sent += piece
    assert sent == b"".join(chunks)
    assert (len(buffer), buffer.held_bytes) == (0, 0)


@pytest.mark.parametrize(("size", "count"), [(1, 16_000), (5000, 4000)])
def test_many_chunks_take_linear_time(size: int, count: int) -> None:
    class Client(Connection):
        def __init__(self) -> None:
            self.buffer = ResponseBuffer()
            super().__init__()

        @property
        def held_bytes(self) -> int:
            return self.buffer.held_bytes

        @held_bytes.setter
        def held_bytes(self, _: int) -> None: ...

        def keep(self, data: memoryview) -> None:
            self.buffer.append(data)

    def stream(text: str) -> None:
        client = Client()
        memory = memory_of(client)
        for letter in text:
            memory.keep(client, memoryview(letter.encode() * size))

    assert is_linear(stream, repeated("a"), count)


def test_many_small_chunks_take_little_memory() -> None:
    def filled() -> ResponseBuffer:
        buffer = ResponseBuffer()
        for number in range(20_000):
            buffer.append(memoryview(b"%d" % number))
        return buffer

    assert allocated_bytes(filled) < 2 * len(filled())
