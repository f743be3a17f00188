"""A stand-in for the Kubernetes API server and the kubelet: it lists pods, and forwards WebSockets to their ports.

It follows the documented protocol, and is built on another WebSocket library than the client that it serves: a
WebSocket for each port with the subprotocol v4.channel.k8s.io; on channels 0 (data) and 1 (errors) it first announces
the port as two bytes, little-endian. It needs the verb `get` on `pods/portforward`, because the request is a GET, and,
as from Kubernetes 1.35 on, `create`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.cli.kubernetes import NAMESPACE, TOKEN, write_kubeconfig

LABELS = {"lmcache-internal/server": "engine"}

Forward = Callable[[ServerConnection, int], None]
"""Serves a forwarded port instead of the kubelet."""


@dataclass
class FakePod:
    """A pod.

    Attributes:
        ports: ports inside the pod, and the ports of this machine that they are.
        gone: whether the pod is listed, but deleted when a port is forwarded.
        forward: serves forwarded ports instead of `ports`.
    """

    name: str
    ports: dict[int, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=lambda: dict(LABELS))
    annotations: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    phase: str = "Running"
    gone: bool = False
    forward: Forward | None = None

    def public(self) -> dict[str, Any]:
        """Return the pod, as the API lists it; the fields that nobody reads are a sample."""
        env = [{"name": name, "value": value} for name, value in self.env.items()]
        secret = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
        return {
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "uid": f"uid-of-{self.name}",
                "labels": self.labels,
                "annotations": self.annotations,
                "managedFields": [{"manager": "kubelet", "operation": "Update"}],
            },
            "spec": {"containers": [{"name": "proxy", "image": "proxy"}, {"name": "vllm", "env": [secret, *env]}]},
            "status": {"phase": self.phase, "podIP": "10.0.0.1"},
        }


class ApiServer:
    """The state of the stand-in.

    Attributes:
        pods: the pods of the namespace `inference`.
        granted: the permissions of the operator, such as `get pods/portforward`.
        list_body: the body of each list instead of the true one.
        before_list: called before pods are listed.
        handshake: called with the name of the pod before a port is forwarded; returns a response to refuse it.
        requests: method and path of each request.
        most_opening: the largest number of handshakes at the same time.
    """

    def __init__(self) -> None:
        self.pods: list[FakePod] = []
        self.granted = {"list pods", "get pods/portforward", "create pods/portforward"}
        self.list_body: bytes | None = None
        self.before_list: Callable[[], object] = lambda: None
        self.handshake: Callable[[str], Response | None] = lambda _: None
        self.requests: list[str] = []
        self._opening = 0
        self.most_opening = 0
        self._lock = threading.Lock()

    def process(self, _: ServerConnection, request: Request) -> Response | None:
        """Answer a request; None accepts the WebSocket."""
        self.requests.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return status(401, "Unauthorized")
        parts = urlsplit(request.path)
        match parts.path.strip("/").split("/"):
            case ["api", "v1", "namespaces", namespace, "pods"]:
                return self._list(namespace, {name: value[0] for name, value in parse_qs(parts.query).items()})
            case ["api", "v1", "namespaces", _, "pods", name, "portforward"]:
                with self._counted():
                    return self._refusal(name)
        return status(404, "the server could not find the requested resource")

    def serve(self, connection: ServerConnection) -> None:
        """Forward a port, as the kubelet does."""
        assert connection.request is not None
        parts = urlsplit(connection.request.path)
        pod = self._pod(parts.path.split("/")[-2])
        port = int(parse_qs(parts.query)["ports"][0])
        assert pod is not None
        with contextlib.suppress(ConnectionClosed):
            (pod.forward or _kubelet(pod))(connection, port)

    def _pod(self, name: str) -> FakePod | None:
        return next((pod for pod in self.pods if pod.name == name), None)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._opening += 1
            self.most_opening = max(self._opening, self.most_opening)
        yield
        with self._lock:
            self._opening -= 1

    def _denial(self, verb: str, resource: str, name: str) -> Response | None:
        if f"{verb} {resource}" in self.granted:
            return None
        return status(
            403,
            f'{name} is forbidden: User "jane" cannot {verb} resource "{resource}" in API group "" in the namespace '
            f'"{NAMESPACE}"',
        )

    def _refusal(self, name: str) -> Response | None:
        for verb in ("get", "create"):
            if denial := self._denial(verb, "pods/portforward", f'pods "{name}"'):
                return denial
        pod = self._pod(name)
        if pod is None or pod.gone:
            return status(404, f'pods "{name}" not found')
        return self.handshake(name)

    def _list(self, namespace: str, query: dict[str, str]) -> Response:
        if denial := self._denial("list", "pods", "pods"):
            return denial
        self.before_list()
        if self.list_body is not None:
            return respond(200, self.list_body)
        pods = [pod for pod in self.pods if namespace == NAMESPACE and _selects(query["labelSelector"], pod.labels)]
        first, limit = int(query.get("continue", 0)), int(query["limit"])
        following = {"continue": str(first + limit)} if first + limit < len(pods) else {}
        items = [pod.public() for pod in pods[first : first + limit]]
        listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1", **following}}
        return respond(200, json.dumps(listed | {"items": items}).encode())


def announce(connection: ServerConnection, port: int) -> None:
    for channel in (0, 1):
        connection.send(struct.pack("<BH", channel, port))


def status(code: int, message: str) -> Response:
    """Return an error of the API."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code}
    return respond(code, json.dumps(body).encode())


def respond(code: int, body: bytes, **headers: str) -> Response:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close", **headers}
    return Response(code, "of the test", Headers(fields), body)


@contextmanager
def api_server(
    directory: Path, certificate: Path | None = None, key: Path | None = None, trusted: bool = True
) -> Iterator[tuple[ApiServer, Path]]:
    """Run a stand-in; yields its state and a kubeconfig for it, which trusts the certificate or not."""
    state = ApiServer()
    options: dict[str, Any] = {
        "subprotocols": [Subprotocol("v4.channel.k8s.io")],
        "compression": None,
        "max_size": None,
    }
    if certificate:
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(certificate, key)
    with serve(state.serve, "127.0.0.1", 0, process_request=state.process, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.socket.getsockname()[1]}"
        kubeconfig = directory / "kubeconfig"
        write_kubeconfig(kubeconfig, url, certificate if trusted else None)
        yield state, kubeconfig
        server.shutdown()
        thread.join()


def _selects(selector: str, labels: dict[str, str]) -> bool:
    """Whether a selector of requirements `key` and `key=value` matches."""
    for requirement in selector.split(","):
        key, equals, value = requirement.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


def _kubelet(pod: FakePod) -> Forward:
    def forward(connection: ServerConnection, port: int) -> None:
        announce(connection, port)
        try:
            upstream = socket.create_connection(("127.0.0.1", pod.ports[port]))
        except (KeyError, OSError):
            text = (
                f"error forwarding port {port} to pod {pod.name}, uid : failed to connect to localhost:{port} inside "
            )
            text += f'namespace "x", IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused'
            connection.send(b"\1" + text.encode())
            return
        with upstream:
            back = threading.Thread(target=_copy_back, args=(upstream, connection))
            back.start()
            for message in connection:
                assert isinstance(message, bytes)
                assert message[0] == 0, message
                upstream.sendall(message[1:])
            upstream.shutdown(socket.SHUT_RDWR)
            back.join()

    return forward


def _copy_back(upstream: socket.socket, connection: ServerConnection) -> None:
    with contextlib.suppress(OSError, ConnectionClosed):
        while data := upstream.recv(16_384):
            connection.send(b"\0" + data)
    connection.close()
