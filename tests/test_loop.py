"""The event loop at its edges: who is told of what, and when nobody is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from waitress.wasyncore import dispatcher

from lmcache_internal.loop import Loop
from lmcache_internal.unyielding import is_readable


class Handler(dispatcher):  # type: ignore[misc]  # waitress has no types.
    """A dispatcher that says what it is told."""

    def __init__(self, sock: socket.socket, loop: Loop) -> None:
        self.wants_to_read, self.wants_to_write = True, False
        self.events: list[str] = []
        self.asked = 0
        super().__init__(sock, map=loop)
        self.connected = True

    def readable(self) -> bool:
        self.asked += 1
        return self.wants_to_read

    def writable(self) -> bool:
        return self.wants_to_write

    def handle_read(self) -> None:
        self.events.append("read")
        self.recv(100)

    def handle_write(self) -> None:
        self.events.append("write")
        self.wants_to_write = False

    def handle_close(self) -> None:
        self.events.append("close")
        self.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def pair(loop: Loop) -> Iterator[tuple[socket.socket, Handler]]:
    client, ours = socket.socketpair()
    with client, ours:
        yield client, Handler(ours, loop)


def turns(loop: Loop, count: int = 3) -> None:
    for _ in range(count):
        loop.wait(0.01)


def test_who_is_idle_is_not_asked(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    turns(loop)
    assert handler.asked == 0
    client.sendall(b"x")
    turns(loop)
    assert handler.events == ["read"]


def test_who_is_being_served_hears_nothing_and_costs_nothing(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    handler.wants_to_read = False
    loop.unsettle(handler._fileno)
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    used = time.thread_time()
    begun = time.monotonic()
    for _ in range(10):
        loop.wait(0.02)
    assert handler.events == []
    assert time.monotonic() - begun > 0.15  # It is not told again and again of what it does not want.
    assert time.thread_time() - used < 0.1
    handler.wants_to_read = True
    loop.wait(0.5)
    assert handler.events == ["read"]
    assert loop.is_settled


def test_who_has_something_to_send_is_told_when_it_may(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    handler.wants_to_read, handler.wants_to_write = False, True
    loop.unsettle(handler._fileno)
    client.sendall(b"x")
    loop.wait(0.5)
    assert handler.events == ["write"]
    assert not loop.is_settled  # It wants neither, for now.
    handler.wants_to_read = True
    turns(loop)
    assert handler.events == ["write", "read"]


@pytest.mark.parametrize("wants", [True, False])
def test_who_is_hung_up_on_is_told_once_it_wants_to_know(
    loop: Loop, pair: tuple[socket.socket, Handler], wants: bool
) -> None:
    client, handler = pair
    handler.wants_to_read = wants
    loop.unsettle(handler._fileno)
    client.close()
    turns(loop)
    assert ("close" in handler.events) is wants
    handler.wants_to_read = True
    turns(loop)
    assert "close" in handler.events
    assert not loop


def test_a_descriptor_that_comes_again_is_somebody_else(loop: Loop) -> None:
    for _ in range(3):
        client, ours = socket.socketpair()
        with client:
            handler = Handler(ours, loop)
            loop.unsettle(handler._fileno)
            client.sendall(b"x")
            loop.wait(0.5)
            assert handler.events == ["read"]
            loop.unsettle(handler._fileno)
            handler.close()
            assert loop.is_settled
    turns(loop, 1)


def test_who_is_closed_by_another_ones_handler_hears_no_more(loop: Loop) -> None:
    (one, first), (two, second) = socket.socketpair(), socket.socketpair()

    class Closing(Handler):
        other: Any = None

        def handle_read(self) -> None:
            super().handle_read()
            if self.other.socket is not None:
                self.other.close()

    with one, two:
        handlers = [Closing(first, loop), Closing(second, loop)]
        handlers[0].other, handlers[1].other = handlers[1], handlers[0]
        one.sendall(b"x")
        two.sendall(b"x")
        loop.wait(0.5)
        assert sorted(handler.events for handler in handlers) == [[], ["read"]]
        for handler in handlers:
            handler.close()


def test_a_forked_child_takes_nothing_from_its_parent(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    child = os.fork()
    if not child:
        status = 1
        try:
            loop.close()
            handler.close()  # Taken out of the parent's epoll, it would hear nothing there either.
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    client.sendall(b"x")
    turns(loop)
    assert handler.events == ["read"]


def test_it_is_awaited_until_it_has_looked_at_what_has_happened(
    pair: tuple[socket.socket, Handler], loop: Loop
) -> None:
    client, _ = pair
    assert not is_readable(loop.fileno())
    client.sendall(b"x")
    assert is_readable(loop.fileno())
    loop.wait(1)
    assert not is_readable(loop.fileno())
    loop.close()
    assert not is_readable(loop.fileno())
