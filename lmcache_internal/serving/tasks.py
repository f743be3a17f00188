"""How a request is answered: by the WSGI app, or by an error response if the request never reaches the app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected
from waitress.task import ErrorTask

from ..limits.request_counts import UNMATCHED, requests
from ..limits.server_load import LOAD_KEY, SEND_504_AFTER_KEY
from ..operations.serialize import encode_json
from ..security.caller import DIRECT_KEY, PEER_UID_KEY, PUBLIC_KEY
from ..security.gate import BODY_WITHHELD_KEY, HEADERS
from ..settings.address import ADDRESS_KEY
from .header_cache import CachingTask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MAX_JOINED_BYTES = 64 << 10


def until_disconnected(app: WSGIApplication) -> WSGIApplication:
    """Return `app` with responses that end when the client has disconnected, even if they yield no bytes to send."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = app(environ, start_response)
        return response if isinstance(response, ReadOnlyFileBasedBuffer) else _Response(response, environ)

    return call


class _Response:
    def __init__(self, response: Iterable[bytes], environ: WSGIEnvironment) -> None:
        self._response = response
        self._is_disconnected = environ["waitress.client_disconnected"]

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response:
            if self._is_disconnected():
                raise ClientDisconnected
            yield chunk

    def close(self) -> None:
        close = getattr(self._response, "close", None)
        if close is not None:
            close()


class RefusalTask(ErrorTask):
    """Refuses a request that the app never sees, with the app's error format, and closes the connection."""

    def execute(self) -> None:
        """Send the response."""
        error = self.request.error
        requests.add(self.request.command or "", UNMATCHED, error.code, None)
        body = encode_json({"error": error.reason, "message": error.body}, indent=2)
        self.status = f"{error.code} {error.reason}"
        self.content_length = len(body)
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS.items()])
        if retry_after := getattr(error, "retry_after", None):
            self.response_headers.append(("Retry-After", str(retry_after)))
        self.set_close_on_finish()
        self.channel.refused = error.code != 408  # After a timeout, the client is not sending.
        self.write(b"" if self.request.command == "HEAD" else body)


class AppTask(CachingTask):
    """Calls the app and sends its response."""

    wrote_header: bool
    content_bytes_written: int
    _builds_head = False

    def execute(self) -> None:
        """Call the app and send its response."""
        if self.request.body_withheld:
            self.set_close_on_finish()
        try:
            super().execute()
        except BaseException as error:  # SystemExit, CancelledError: waitress would neither respond nor close.
            if isinstance(error, Exception):
                raise
            raise RuntimeError(f"{type(error).__name__} ended the request") from error

    def build_response_header(self) -> bytes:
        """Return the head of the response."""
        self._builds_head = True
        head = super().build_response_header()
        self._builds_head = False
        return head

    def set_close_on_finish(self) -> None:
        """Close the connection after the response.

        waitress closes it after every response without Content-Length. In HTTP/1.1 that is not needed for a chunked
        response, for a response to HEAD, or for a status without a body like 304.
        """
        asks_to_close = self.request.headers.get("CONNECTION", "").lower() == "close"
        if not self._builds_head or self.version != "1.1" or asks_to_close:
            super().set_close_on_finish()

    def write(self, data: bytes) -> None:
        """Send `data`. The head is sent together with the first bytes, because each send releases the GIL."""
        if self.request.command == "HEAD":
            super().write(b"")
            self.chunked_response = False  # Without a body, there is no last chunk.
            self.content_bytes_written += len(data)
        elif not self.wrote_header and self._fits_head(data):
            self.channel.write_soon(self.build_response_header() + data)
            self.wrote_header = True
            self.content_bytes_written = len(data)
        else:
            super().write(data)

    def _fits_head(self, data: bytes) -> bool:
        is_whole = self.complete and self.has_body and self.content_length == len(data)
        return is_whole and 0 < len(data) <= _MAX_JOINED_BYTES

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environ, with the server's data about the connection."""
        environ: dict[str, Any] = super().get_environment()
        server = self.channel.server
        environ[ADDRESS_KEY] = server.address
        environ[LOAD_KEY] = server.task_dispatcher.load
        environ[SEND_504_AFTER_KEY] = self.channel.send_504_after
        environ[DIRECT_KEY] = True
        environ[PUBLIC_KEY] = server.public
        environ[PEER_UID_KEY] = self.channel.peer_uid
        environ[BODY_WITHHELD_KEY] = self.request.body_withheld
        return environ
