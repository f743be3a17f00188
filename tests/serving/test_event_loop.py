"""Edge cases of the event loop: which handler gets which event, and which gets none."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from waitress.wasyncore import dispatcher

from lmcache_internal.serving.event_loop import Loop


class Handler(dispatcher):  # type: ignore[misc]  # waitress has no types.
    """A dispatcher that records its events."""

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

    def handle_input(self) -> None:
        self.events.append("input")

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


def test_an_idle_handler_is_not_asked(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    turns(loop)
    assert handler.asked == 0
    client.sendall(b"x")
    turns(loop)
    assert handler.events == ["read"]


def test_a_handler_that_is_being_served_gets_no_events_and_costs_nothing(
    loop: Loop, pair: tuple[socket.socket, Handler]
) -> None:
    client, handler = pair
    handler.wants_to_read = False
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    used = time.thread_time()
    begun = time.monotonic()
    for _ in range(10):
        loop.wait(0.02)
    assert handler.events == []
    assert time.monotonic() - begun > 0.15  # An unwanted event is not reported again and again.
    assert time.thread_time() - used < 0.1
    handler.wants_to_read = True
    loop.resume(handler)
    loop.wait(0.5)
    loop.wait(0.5)
    assert handler.events == ["input", "read"]


def test_a_handler_that_is_resumed_many_times_is_called_once(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    _, handler = pair
    for _ in range(100):
        loop.resume(handler)
    turns(loop)
    assert handler.events == ["input"]
    loop.resume(handler)
    turns(loop)
    assert handler.events == ["input", "input"]


def test_a_handler_that_is_resumed_while_it_is_called_is_called_again(loop: Loop) -> None:
    client, ours = socket.socketpair()

    class Resuming(Handler):
        def handle_input(self) -> None:
            super().handle_input()
            if len(self.events) == 1:
                loop.resume(self)

    with client:
        handler = Resuming(ours, loop)
        loop.resume(handler)
        turns(loop)
        assert handler.events == ["input", "input"]
        handler.close()


def test_a_handler_with_data_to_send_is_notified_when_the_socket_is_writable(
    loop: Loop, pair: tuple[socket.socket, Handler]
) -> None:
    client, handler = pair
    handler.wants_to_read, handler.wants_to_write = False, True
    loop.resume(handler)
    client.sendall(b"x")
    turns(loop)
    assert handler.events == ["input", "write"]  # It does not want to read.
    handler.wants_to_read = True
    loop.resume(handler)
    turns(loop)
    assert handler.events == ["input", "write", "input", "read"]


@pytest.mark.parametrize("wants", [True, False])
def test_a_handler_is_closed_when_its_peer_disconnects_whatever_it_waits_for(
    loop: Loop, pair: tuple[socket.socket, Handler], wants: bool
) -> None:
    client, handler = pair
    handler.wants_to_read = wants
    client.close()
    turns(loop)
    assert handler.events[-1] == "close"
    assert not loop


def test_a_reused_descriptor_is_a_new_handler(loop: Loop) -> None:
    for _ in range(3):
        client, ours = socket.socketpair()
        with client:
            handler = Handler(ours, loop)
            client.sendall(b"x")
            loop.wait(0.5)
            assert handler.events == ["read"]
            loop.resume(handler)
            handler.close()
    turns(loop, 1)
    assert handler.events == ["read"]


def test_only_the_failing_handler_is_closed(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, ours = socket.socketpair()

    class Failing(Handler):
        def handle_input(self) -> None:
            raise RuntimeError("on purpose")

    with client:
        failing = Failing(ours, loop)
        loop.resume(failing)
        loop.resume(pair[1])
        turns(loop, 1)
        assert failing.socket is None
        assert pair[1].events == ["input"]


def test_urgent_data_is_not_an_event(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    with client:
        handler = Handler(ours, loop)
        client.send(b"!", socket.MSG_OOB)
        turns(loop)
        assert handler.events == []
        client.sendall(b"x")
        turns(loop)
        assert handler.events == ["read"]
        handler.close()


def test_connections_are_accepted_after_the_other_events_of_a_round(loop: Loop) -> None:
    closed: list[Handler] = []

    class Listening(Handler):
        def handle_accept(self) -> None:
            self.socket.accept()[0].close()
            self.events.append("accept")
            assert closed  # Otherwise a new connection could get the descriptor, and the event, of a closed one.

    with socket.create_server(("127.0.0.1", 0)) as listening:
        acceptor = Listening(listening, loop)
        acceptor.accepting = True
        client, ours = socket.socketpair()

        class Closing(Handler):
            def handle_read(self) -> None:
                closed.append(self)
                self.close()

        Closing(ours, loop)
        with client, socket.create_connection(listening.getsockname()):
            client.sendall(b"x")
            turns(loop, 1)
        assert acceptor.events == ["accept"]
        acceptor.close()


def test_a_handler_that_another_closes_gets_no_more_events(loop: Loop) -> None:
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


def test_a_forked_child_does_not_change_the_parents_epoll(loop: Loop, pair: tuple[socket.socket, Handler]) -> None:
    client, handler = pair
    child = os.fork()
    if not child:
        status = 1
        try:
            loop.close()
            handler.close()  # If it were removed from the parent's epoll, the parent would get no event either.
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    client.sendall(b"x")
    turns(loop)
    assert handler.events == ["read"]
