"""Use the Kubernetes API with the official client: list pods, and open connections to their ports."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..answers import UnusableAnswerError, decode, join_chunks
from ..client import Failure
from .models import Page, Pod
from .names import PodName
from .refusals import explain
from .waiting import within

if TYPE_CHECKING:
    import websocket
    from kubernetes.client import Configuration

MAX_PODS = 1000
"""The largest number of pods that one option may choose."""
MAX_OPENING = 32
"""The number of connections that are opened at the same time, in one process."""
_PAGE = 100
_PORTFORWARD = "get and create on pods/portforward"

_opening = threading.BoundedSemaphore(MAX_OPENING)


class Cluster:
    """A Kubernetes cluster.

    Args:
        configuration: the address of the API, and the credentials.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._api()  # The first one imports all models, for about a second: before any time limit begins.

    def pods(self, namespace: str, selector: str, seconds: float) -> list[Pod]:
        """List pods, page by page.

        Args:
            namespace: the namespace.
            selector: a label selector.
            seconds: the time limit.

        Raises:
            click.ClickException: the API refuses, does not answer in time, or lists more than `MAX_PODS`.
        """
        where = f"pods in namespace {namespace!r}"
        ends, found, position = time.monotonic() + seconds, list[Pod](), ""
        while True:
            try:
                page = self._page(namespace, selector, position, ends)
            except UnusableAnswerError as error:
                raise click.ClickException(f"The Kubernetes API sent no usable list of {where}: {error}") from error
            except Failure as error:
                raise click.ClickException(f"Cannot list the {where}: {error}") from error
            found += page.items
            position = page.metadata.next
            if len(found) > MAX_PODS:
                raise click.ClickException(f"More than {MAX_PODS} {where} match {selector!r}; narrow the selector.")
            if not position:
                return found

    def open(self, pod: PodName, port: int, seconds: float) -> websocket.WebSocket:
        """Open a WebSocket that the API forwards to a port of a pod.

        Args:
            pod: the pod.
            port: the TCP port on the pod's loopback interface.
            seconds: the time limit.

        Raises:
            Failure: the API refuses, or does not answer in time.
        """
        from kubernetes.stream import stream

        api = self._api()  # One for each connection, because `stream` replaces a method of the client meanwhile.
        call, where = api.connect_get_namespaced_pod_portforward, (pod.name, pod.namespace)
        if not _opening.acquire(timeout=seconds):
            raise Failure(
                f"no connection to the Kubernetes API became free within {round(seconds, 1):g} s; "
                f"a command opens {MAX_OPENING} at the same time",
                unreachable=True,
            )
        try:
            opened = within(seconds / 2, lambda: stream(call, *where, ports=str(port), _preload_content=False))
        except TimeoutError:
            raise Failure(
                f"the Kubernetes API opened no connection to the pod within {round(seconds / 2, 1):g} s",
                unreachable=True,
            ) from None
        except Exception as error:  # The client raises undocumented types of several libraries, too.
            raise Failure(explain(error, _PORTFORWARD, pod.namespace), unreachable=True) from error
        finally:
            _opening.release()
        socket: websocket.WebSocket = opened.sock
        return socket

    def _api(self) -> Any:
        from kubernetes.client import ApiClient, CoreV1Api

        return CoreV1Api(ApiClient(self._configuration))

    def _page(self, namespace: str, selector: str, position: str, ends: float) -> Page:
        left = max(0.01, ends - time.monotonic())
        options: dict[str, Any] = {"_continue": position} if position else {}
        options |= {"label_selector": selector, "limit": _PAGE}
        try:
            # The raw body: the client's own models refuse what a newer API adds, and take a second for 1,000 pods.
            options |= {"_preload_content": False, "_request_timeout": left}
            response = self._api().list_namespaced_pod(namespace, **options)
            body = join_chunks(_until(ends, response.stream(1 << 16)))
        except UnusableAnswerError:
            raise
        except Exception as error:  # The client raises undocumented types of several libraries, too.
            raise Failure(explain(error, "list on pods", namespace)) from error
        page: Page = decode(body.decode("utf-8", "replace"), Page)
        return page


def _until(ends: float, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if time.monotonic() > ends:
            raise TimeoutError
        yield chunk
