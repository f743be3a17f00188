"""Send requests to one server, over TCP, a Unix socket or the Kubernetes API, and put failures into words.

Every command talks to servers through `Client`, so that the limits on time and size, and the wording of failures, are
decided once.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import CURL_ADVICE
from ..system.peer_credentials import Peer
from .answers import Answer, UnusableAnswerError, join_chunks
from .connect_errors import known_reason
from .credentials import CLIENT_VARIABLE, BearerToken
from .targets import Target
from .text import one_line

if TYPE_CHECKING:
    import httpx

_REASONS = ("message", "error", "detail")
"""The fields of an error body that say why: the first two are ours, the third is FastAPI's."""
_NO_TOKEN = f"Give --bearer-token-file or set {CLIENT_VARIABLE}."
_WITHHELD = "The token was not sent to this address, because a list names it; to send it, add --trust-listed."
_TITLE = re.compile(r"<title>([^<]{1,200})", re.IGNORECASE)


class Failure(Exception):
    """A server gave no usable answer; the text says why, for the operator.

    Attributes:
        status: the HTTP status, or None if there was no answer.
        body: the JSON body of the refusal, if any.
        unsure: whether the server may have carried out the request: it was sent, and its result is unknown.
        unreachable: whether there was no HTTP answer at all, to this request or to an earlier one that was in time.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        body: Any = None,
        unsure: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.unsure = unsure
        self.unreachable = unreachable


class Client:
    """Sends requests to one server.

    Args:
        target: the server.
        token: the bearer token to send, or None.
        seconds: the time limit for all requests of this client together.
    """

    def __init__(self, target: Target, token: BearerToken | None, seconds: float) -> None:
        import httpx

        self.target = target
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._answered = ""  # The last request that was answered.
        self._withheld = token is not None and target.listed and not token.for_listed
        token = None if self._withheld else token
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token.text}"} if token else {})
        transport = _transport(target, token)
        # trust_env: a proxy from the environment must not see requests to an engine.
        self._http = httpx.Client(transport=transport, headers=headers, timeout=seconds, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def request(
        self, method: str, path: str, good: tuple[int, ...] = (), seconds: float | None = None, **options: Any
    ) -> Answer:
        """Send a request.

        Args:
            method: the HTTP method.
            path: the path below the server's base URL, with a leading slash.
            good: the statuses that are an answer, besides 200 to 299.
            seconds: the time limit for this request; by default, what is left for this client.
            options: `params`, `json`, `headers`, `files`, as httpx takes them.

        Raises:
            Failure: there was no answer, it exceeds a limit, or it says that the request failed.
        """
        import httpx

        began = time.monotonic()
        end = self._deadline if seconds is None else min(self._deadline, began + seconds)
        try:
            if end <= began:
                raise httpx.PoolTimeout("no time is left")
            options["timeout"] = end - began
            with self._http.stream(method, self.target.url + path, **options) as response:
                content = join_chunks(_chunks(response, end))
        except UnusableAnswerError as error:
            raise Failure(f"GET {path}: {error}" if method == "GET" else str(error), unsure=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            is_slow = isinstance(error, httpx.TimeoutException) and bool(self._answered)
            reason = self._explain(error, f"{method} {path}", seconds)
            raise Failure(reason, unsure=_was_sent(error), unreachable=not is_slow) from error
        self._answered = f"{method} {path}"
        answer = Answer(response.status_code, content.decode("utf-8", "replace"), response.headers)
        if not response.is_success and response.status_code not in good:
            raise _refused(answer, response, self.target.mp, self._withheld)
        return answer

    def json(self, method: str, path: str, type: Any = Any, **options: Any) -> Any:
        """Send a request and decode the JSON of the answer, whatever its content type.

        Args:
            method: the HTTP method.
            path: the path below the server's base URL.
            type: the type that the answer must have.
            options: as for `request`.

        Raises:
            Failure: as for `request`, and if the answer is not JSON or has another type.
        """
        answer = self.request(method, path, **options)
        try:
            return answer.json(type)
        except UnusableAnswerError as error:
            message = f"{path} did not answer as expected ({error}): is this an LMCache internal API?"
            raise Failure(message, answer.status, unsure=True) from error

    def _explain(self, error: Exception, request: str, seconds: float | None) -> str:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            limit = self._seconds if seconds is None else min(seconds, self._seconds)
            if self._answered:
                return f"no answer to {request} within {limit:g} s, but {self._answered} was answered"
            return f"no answer within {limit:g} s"
        if known := known_reason(error, self.target.socket_path):
            return one_line(f"cannot connect: {known}")
        if isinstance(error, httpx.ConnectError):
            return one_line(f"cannot connect: {str(error).partition('] ')[2] or error}")
        return one_line(f"the connection failed ({type(error).__name__}: {error})")


def _chunks(response: httpx.Response, end: float) -> Iterator[bytes]:
    import httpx

    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate"):  # Compressed twice, one packet may become many gigabytes.
        raise UnusableAnswerError(f"the answer is encoded as {encoding[:100]!r}")
    for chunk in response.iter_bytes():
        if time.monotonic() > end:
            raise httpx.ReadTimeout("the answer does not end")
        yield chunk


def _transport(target: Target, token: BearerToken | None) -> httpx.BaseTransport:
    import httpx

    if target.pod:
        from .pods.forward import PodTransport

        return PodTransport(target.pod, target.port)
    if target.socket_path and not hasattr(socket, "SO_PEERCRED" if token else "AF_UNIX"):
        reason = "does not report the user of the server, so the token was not sent" if token else "has none"
        raise Failure(f"cannot connect to a Unix socket: this system {reason}; use --url", unreachable=True)
    if target.socket_path and token:
        from .unix import UnixTransport

        def check(peer: Peer) -> None:
            if refusal := token.refusal_for(peer):
                raise Failure(refusal)

        return UnixTransport(target.socket_path, check)
    # Loading the certificate authorities takes longer than a request.
    return httpx.HTTPTransport(uds=target.socket_path, verify=target.url.startswith("https:"))


def _was_sent(error: Exception) -> bool:
    import httpx

    unsent = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
        UnicodeError,
    )
    return not isinstance(error, unsent)


def _refused(answer: Answer, response: httpx.Response, is_mp: bool, withheld: bool) -> Failure:
    status, body = answer.status, None
    try:
        body = answer.json(dict[str, Any])
        reason = one_line(str(next((body[name] for name in _REASONS if body.get(name)), answer.text)))
    except UnusableAnswerError:
        reason = _reason_of(answer.text, response.reason_phrase)
    if status == 401:
        sent = "Authorization" in response.request.headers
        hint = _WITHHELD if withheld else _NO_TOKEN
        reason = reason.partition(f" {CURL_ADVICE}")[0]
        reason = f"the token is refused: {reason}" if sent else f"{reason.rstrip('.')}. {hint}"
    if status == 404 and is_mp and _is_unknown_path(reason):
        reason += " (MP servers have other endpoints than the ranks of an engine)"
    # A server that stops waiting for the engine does not know what the engine does next.
    return Failure(f"HTTP {status}: {reason}", status, body, unsure=status in (502, 504))


def _is_unknown_path(reason: str) -> bool:
    """Whether a server has no such route: the texts are LMCache's, and ours."""
    return reason == "Not Found" or reason.startswith("No endpoint at ")


def _reason_of(text: str, phrase: str) -> str:
    """Return what an error page says, on one line."""
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text[:10_000])
        return f"{one_line(title[1] if title else phrase)} (an HTML page; is there a proxy in front of the server?)"
    return one_line(text) or one_line(phrase)
