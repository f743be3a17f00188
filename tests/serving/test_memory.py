"""The memory limit of all connections; tests/faults checks it over sockets with much larger loads."""

from __future__ import annotations

import pytest

from lmcache_internal.serving.memory import (
    MAX_BODIES_BYTES,
    MAX_UNREAD_BYTES,
    BlockedWriters,
    MemoryBudget,
    ResponseBuffer,
)


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
    for connection in connections:
        memory.add(connection)
    return memory


def test_bodies_share_one_limit() -> None:
    other = Connection(body=MAX_BODIES_BYTES - 10)
    memory = memory_of(other, Connection(body=4))
    assert memory.accepts_body(6)
    assert not memory.accepts_body(7)
    memory.remove(other)
    assert memory.accepts_body(MAX_BODIES_BYTES - 4)


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
    buffer.append(memoryview(b"0123456789"))
    buffer.append(memoryview(b"abc"))
    assert (len(buffer), buffer.held_bytes) == (13, 13)
    assert bytes(buffer.get(4)) == b"0123"
    buffer.skip(4)
    assert (len(buffer), buffer.held_bytes) == (9, 13)
    assert bytes(buffer.get(100)) == b"456789"
    buffer.skip(6)
    assert (len(buffer), buffer.held_bytes) == (3, 3)
    assert bytes(buffer.get(100)) == b"abc"
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
