"""An HTTP server for an MP engine whose own HTTP API cannot be served: probes are answered, all else is 503."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..redaction.log_lines import get_logger

logger = get_logger(__name__)

_ANSWERS = {"/": {"status": "ok", "service": "LMCache HTTP API"}, "/healthcheck": {"status": "healthy"}}
_UNAVAILABLE = {
    "error": "LMCache API is unavailable",
    "message": "The HTTP API could not be started; the log of the server has the reason. The cache itself runs.",
}
_SECONDS = 5.0
"""How long a client may take to send its request."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS

    def do_GET(self) -> None:  # http.server's name.
        """Answer a probe, or 503."""
        answer = _ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(_UNAVAILABLE if answer is None else answer).encode()
        self.send_response(503 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # The base class names them.

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: probes come every few seconds."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True


class FallbackServer:
    """Serves the probes of an MP server and nothing else.

    Args:
        host: the address to bind.
        port: the TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._listener: _Listener | None = None

    def start(self) -> None:
        """Serve; where the address is taken, log that nothing answers."""
        try:
            self._listener = _Listener(self._address, _Handler)
        except OSError as error:
            logger.error("Nothing answers on %s:%d either: %s", *self._address, error)
            return
        threading.Thread(target=self._listener.serve_forever, name="mp-fallback", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
