from __future__ import annotations

import http.client
import logging

import pytest

from lmcache_internal.integrations.mp_fallback import FallbackServer
from tests.support import accepts, free_port


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/healthcheck", 200),
        ("HEAD", "/healthcheck", 200),
        ("GET", "/healthcheck?x=1", 200),
        ("GET", "/metrics", 503),
        ("POST", "/cache/clear", 503),
        ("PUT", "/quota/alice", 503),
        ("DELETE", "/quota/alice", 503),
    ],
)
def test_probes_are_answered_and_all_else_is_503(method: str, path: str, status: int) -> None:
    port = free_port()
    server = FallbackServer("127.0.0.1", port)
    server.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path)
        response = connection.getresponse()
        assert (response.status, response.headers.get_content_type()) == (status, "application/json")
        assert (b"log of the server" in response.read()) == (status == 503)
        connection.close()
    finally:
        server.stop()
    assert not accepts(port)


def test_a_port_that_is_taken_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    first, second = FallbackServer("127.0.0.1", port), FallbackServer("127.0.0.1", port)
    first.start()
    try:
        with caplog.at_level(logging.ERROR):
            second.start()
        assert f"Nothing answers on 127.0.0.1:{port} either" in caplog.text
        second.stop()
    finally:
        first.stop()
