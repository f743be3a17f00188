"""The event loop responds for a worker thread that is late, unless its response has begun."""

from __future__ import annotations

from lmcache_internal import InternalAPIServer
from tests.serving.support import get, holding
from tests.wire import talking


def test_a_late_response_is_replaced_by_504_and_the_connection_is_closed(tcp: InternalAPIServer) -> None:
    with holding(tcp) as hold, talking(tcp) as conversation:
        conversation.send(get(b"/late"))
        answer = conversation.next()
        assert (answer.status, b"It is late" in answer.body) == (504, True)
        assert conversation.rest(patience=5) == []
        assert not hold.released.is_set()


def test_a_response_that_has_begun_is_not_replaced(tcp: InternalAPIServer) -> None:
    with talking(tcp) as conversation:
        conversation.send(get(b"/late?begun", b"Connection: close"))
        (answer,) = conversation.rest()
        assert (answer.status, answer.body) == (200, b"begun, slow")
