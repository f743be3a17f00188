"""HTTP servers on loopback that are not ours: what they respond is up to the test."""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

NO_HEADERS: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A request; the names of the headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """A response."""

    status: int
    body: bytes | str
    headers: Mapping[str, str] = NO_HEADERS


def port_of(url: str) -> int:
    """Return the port of a URL without a path."""
    return int(url.rpartition(":")[2])


class SilentHandler(http.server.BaseHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    """Prints no traceback if a client closes its connection early: it would be in the output of a command."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running(server: http.server.HTTPServer) -> Iterator[str]:
    """Run a server in a thread, and close it in the end; yield its URL."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def handled_by(handler: type[SilentHandler]) -> Iterator[str]:
    """Run a server with this handler; yield its URL."""
    with running(_Server(("127.0.0.1", 0), handler)) as url:
        yield url


@contextmanager
def responding(respond: Callable[[Asked], Reply]) -> Iterator[str]:
    """Run a server that responds to each request with what `respond` returns; yield its URL."""

    class Handler(SilentHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = respond(Asked(self.command, self.path, headers, body))
            content = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # The client may have given up.
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # http.server's names.

    with handled_by(Handler) as url:
        yield url
