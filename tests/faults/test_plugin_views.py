"""A plugin view that never returns does not block the server or other views."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.limits.bulkheads import MAX_REQUESTS_PER_VIEW
from tests.faults.unharmed import serving, unharmed
from tests.support import connect, fetch, takes_less

REQUESTS = 200
CALL_TIMEOUT = 5.0
"""In seconds. All requests must arrive before the first one times out, also on a busy machine."""

HANGING = '''
from functools import partial

from flask import Blueprint, Response, current_app, request, stream_with_context
from flask.views import View
from lmcache_internal.api import internal_app, operation

router = Blueprint("hanging", __name__)
hooked = Blueprint("hooked", __name__)


def hang() -> str:
    """Wait for the test."""
    current_app.state.release.wait(60)
    return "released"


class Dispatched(View):
    def dispatch_request(self):
        return hang()


router.add_url_rule("/hang/plain", "plain", hang)
router.add_url_rule("/hang/class", view_func=Dispatched.as_view("class"))
router.get("/hang/cheap", endpoint="cheap")(operation(action="hang", cheap=True)(hang))


@router.get("/hang/stream")
def stream():
    def pieces():
        yield "begun"
        yield hang()
    return Response(stream_with_context(pieces()))


@router.get("/hang/close")
def close():
    response = Response("sent")
    response.call_on_close(partial(current_app.state.release.wait, 60))
    return response


@hooked.before_request
def before():
    if request.args.get("in") == "before":
        hang()


@hooked.after_request
def after(response):
    if request.args.get("in") == "after":
        hang()
    return response


@hooked.get("/hooked")
def view():
    return "hooked"


router.register_blueprint(hooked)
'''
WELL = """
from flask import Blueprint

router = Blueprint("well", __name__)


@router.get("/well")
def well():
    return "well"
"""
PATHS = [
    "/hang/plain",
    "/hang/class",
    "/hang/cheap",
    "/hang/stream",
    "/hang/close",
    "/hooked?in=before",
    "/hooked?in=after",
]


@pytest.fixture(params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hanging_api.py").write_text(HANGING)
    (tmp_path / "plugins" / "well_api.py").write_text(WELL)
    with serving(tmp_path, request.param) as started, unharmed(started):
        yield started


@contextmanager
def asking(server: InternalAPIServer, path: str) -> Iterator[list[socket.socket]]:
    """Connections with one request each."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(REQUESTS)]
        for client in clients:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        yield clients


def assert_others_are_served(server: InternalAPIServer) -> None:
    def ask(path: str) -> None:
        assert fetch(server, path)[0] == 200, path

    for path in ("/livez", "/lmc_version", "/well", "/conf?names=chunk_size", "/threads", "/metrics", "/backends"):
        assert takes_less(1, partial(ask, path)), path


def read_to_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("path", PATHS)
def test_two_hundred_requests_that_never_return_delay_no_others(server: InternalAPIServer, path: str) -> None:
    assert server.app is not None
    with asking(server, path) as clients:
        assert_others_are_served(server)
        server.app.state.release.set()
        statuses = [read_to_end(client)[9:12] for client in clients]
    assert (statuses.count(b"200"), statuses.count(b"503")) == (MAX_REQUESTS_PER_VIEW, REQUESTS - MAX_REQUESTS_PER_VIEW)
    assert fetch(server, path)[0] == 200


def test_a_plain_view_times_out_and_is_not_started_again(server: InternalAPIServer) -> None:
    assert server.app is not None
    server.app.state.lmcache_adapter.config.extra_config = {"internal_api_server_call_timeout": CALL_TIMEOUT}
    with asking(server, "/hang/plain") as clients:
        assert_others_are_served(server)
        statuses = [read_to_end(client)[9:12] for client in clients]
    assert (statuses.count(b"504"), statuses.count(b"503")) == (MAX_REQUESTS_PER_VIEW, REQUESTS - MAX_REQUESTS_PER_VIEW)
    began = time.monotonic()
    assert {fetch(server, "/hang/plain")[0] for _ in range(50)} == {504}
    assert time.monotonic() - began < 25 * CALL_TIMEOUT, "none of them was tried"
    assert_others_are_served(server)
    server.app.state.release.set()
