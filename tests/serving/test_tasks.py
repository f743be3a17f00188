"""The response of the app is closed in the end, and ends early if the client has disconnected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from waitress.channel import ClientDisconnected

from lmcache_internal.serving.tasks import until_disconnected


class Chunks:
    """A WSGI response of two chunks."""

    def __init__(self) -> None:
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"one", b"two")

    def close(self) -> None:
        self.is_closed = True


def called(response: Iterable[bytes], is_disconnected: bool = False) -> Any:
    """Return the response of an app that returns `response`."""
    environ = {"waitress.client_disconnected": lambda: is_disconnected}
    return until_disconnected(lambda *_: response)(environ, lambda *_: lambda _: None)


def test_a_response_is_closed() -> None:
    chunks = Chunks()
    response = called(chunks)
    assert list(response) == [b"one", b"two"]
    assert not chunks.is_closed
    response.close()
    assert chunks.is_closed


def test_a_response_without_close_is_served() -> None:
    response = called([b"one"])
    assert list(response) == [b"one"]
    response.close()


def test_a_response_ends_when_the_client_has_disconnected() -> None:
    with pytest.raises(ClientDisconnected):
        list(called(Chunks(), is_disconnected=True))
