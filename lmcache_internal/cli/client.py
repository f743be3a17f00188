"""One server, asked: requests over TCP or a Unix socket, and failures in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..system.peer_credentials import Peer
from .credentials import CLIENT_VARIABLE, BearerToken
from .targets import Target

if TYPE_CHECKING:
    import httpx


class Failure(Exception):
    """Why a server gave no good answer, in words for the operator.

    Attributes:
        status: the HTTP status, or None where there was no answer at all.
        body: the JSON that came with it, if any.
        unsure: whether the request may have been carried out all the same: it was sent, and nobody said how it ended.
    """

    def __init__(self, message: str, status: int | None = None, body: Any = None, unsure: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.unsure = unsure


class Client:
    """Asks one server.

    Args:
        target: the server.
        token: the bearer token to send, or None.
        seconds: how long to wait for each step of an answer.
    """

    def __init__(self, target: Target, token: BearerToken | None, seconds: float) -> None:
        import httpx

        self.target = target
        self._seconds = seconds
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token.text}"} if token else {})
        transport = _transport(target, token)
        # A proxy of the environment has no business between an operator and an engine.
        self._http = httpx.Client(transport=transport, headers=headers, timeout=seconds, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def request(self, method: str, path: str, good: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """Send a request.

        Args:
            method: the HTTP method.
            path: below the server's base URL, with a slash at the start.
            good: statuses that are an answer, besides 200 to 299.
            options: `params`, `json`, `headers`, `files`, as httpx takes them.

        Raises:
            Failure: there was no answer, or it says that the request failed.
        """
        import httpx

        try:
            response = self._http.request(method, self.target.url + path, **options)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Failure(self._explain(error), unsure=_was_sent(error)) from error
        if not response.is_success and response.status_code not in good:
            raise _refused(response)
        return response

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The same, for an answer in JSON, whatever it calls itself."""
        response = self.request(method, path, **options)
        try:
            return response.json()
        except ValueError as error:
            message = f"{path} did not answer with JSON: is this an LMCache internal API?"
            raise Failure(message, response.status_code, unsure=True) from error

    def _explain(self, error: Exception) -> str:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            return f"no answer within {self._seconds:g} s"
        if isinstance(error, httpx.ConnectError):
            return f"cannot connect: {str(error).partition('] ')[2] or error}"
        return f"the connection failed ({type(error).__name__}: {error})"


def _transport(target: Target, token: BearerToken | None) -> httpx.BaseTransport:
    import httpx

    if target.socket_path and token:
        from .unix import UnixTransport

        def check(peer: Peer) -> None:
            if refusal := token.refusal_for(peer):
                raise Failure(refusal)

        return UnixTransport(target.socket_path, check)
    # Reading the certificates of the world takes longer than a request.
    return httpx.HTTPTransport(uds=target.socket_path, verify=target.url.startswith("https:"))


def _was_sent(error: Exception) -> bool:
    import httpx

    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)
    return not isinstance(error, unsent)


def _refused(response: httpx.Response) -> Failure:
    status, body = response.status_code, None
    try:
        body = response.json()
        told = str(body.get("message") or body.get("error") or response.text)
    except (ValueError, AttributeError):
        told = response.text.strip()[:500] or response.reason_phrase
    if status == 401:
        sent = "Authorization" in response.request.headers
        told = f"the token is refused: {told}" if sent else f"{told} Give --bearer-token-file or set {CLIENT_VARIABLE}."
    # A server that gives up waiting for the engine does not know what the engine still does.
    return Failure(f"HTTP {status}: {told}", status, body, unsure=status in (502, 504))
