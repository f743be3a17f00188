"""`--kubernetes` where something fails: each pod that cannot be used has one row, and the others are not affected."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.http11 import Response
from websockets.sync.server import ServerConnection

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli.pods import cluster as cluster_module
from lmcache_internal.cli.pods import search
from lmcache_internal.cli.pods.forward import PodTransport
from lmcache_internal.cli.pods.names import PodName
from tests.cli.conftest import Cluster, Fleet
from tests.cli.kubernetes_api import (
    NAMESPACE,
    ApiServer,
    FakePod,
    Forward,
    announce,
    api_server,
    ports_of,
    rows,
    run,
    status,
)  # fmt: skip
from tests.support import free_port, make_manager

EVIL = "\x1b[2J\r\u202eevil\u2028\nFAKE-ROW"


@pytest.fixture
def healthy(shared_fleet: Fleet) -> FakePod:
    """A pod with a scheduler and four workers."""
    return FakePod("healthy", ports_of(shared_fleet.port))


def the_failure(api: ApiServer, healthy: FakePod, pod: FakePod, *options: str) -> str:
    """Return the error of the only row of `pod`; the rows of the other pod are successful."""
    api.pods = [healthy, pod]
    found = rows("get", "/lmc_version", "--kubernetes", NAMESPACE, *options)
    assert [row["ok"] for row in found] == [True] * 5 + [False]
    assert found[-1]["address"] == f"kubernetes://inference/{pod.name}:6999"
    return str(found[-1]["error"])


def test_a_missing_permission_to_list_is_named(api: ApiServer) -> None:
    api.granted -= {"list pods"}
    result = run("status", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert "your role in namespace 'inference' lacks list on pods; the command needs list on pods" in result.stderr
    assert 'User "jane" cannot list resource "pods"' in result.stderr


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_missing_permission_to_forward_ports_is_named(api: ApiServer, healthy: FakePod, verb: str) -> None:
    api.pods = [healthy]
    api.granted -= {f"{verb} pods/portforward"}
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert f"lacks {verb} on pods/portforward; the command needs get and create on pods/portforward" in row["error"]


def test_a_denial_in_other_words_names_what_is_needed(api: ApiServer, healthy: FakePod) -> None:
    api.pods = [healthy]
    api.handshake = lambda: status(403, "no port-forwards on Sundays")
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert "lacks get and create on pods/portforward" in row["error"]
    assert "(no port-forwards on Sundays)" in row["error"]


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (FakePod("x", gone=True), 'the pod or namespace no longer exists (HTTP 404: pods "x" not found)'),
        (FakePod("x", phase="Pending"), "the pod is not running: its phase is Pending"),
        (FakePod("x"), "cannot connect: nothing listens on port 6999 of the pod's loopback interface"),
        (FakePod("x", env={"LMCACHE_INTERNAL_API_SERVER_SOCKET_PATH_PREFIX": "/run/api"}),
         "its servers listen on Unix sockets, and the Kubernetes API forwards only ports"),
        (FakePod("x", env={"LMCACHE_INTERNAL_API_SERVER_PORT_START": "many"}), "expected int, got 'many'"),
        (FakePod("x", annotations={"lmcache-internal/port-start": "70000"}), "is not a TCP port"),
        (FakePod("x", annotations={"lmcache-internal/index": "4-2"}), "expected numbers such as 0,2-4, got '4-2'"),
        (FakePod("x", annotations={"lmcache-internal/port-start": EVIL}), "expected int"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_pod_that_cannot_be_used_has_one_row(api: ApiServer, healthy: FakePod, pod: FakePod, reason: str) -> None:
    assert reason in the_failure(api, healthy, pod)


def test_pods_that_have_ended_are_not_asked(api: ApiServer, healthy: FakePod) -> None:
    api.pods = [FakePod("evicted", phase="Failed"), healthy, FakePod("done", phase="Succeeded")]
    assert len(rows("get", "/lmc_version", "--kubernetes", NAMESPACE)) == 5


@pytest.mark.usefixtures("api")
def test_no_pod_matches() -> None:
    result = run("status", "--kubernetes", "inference:app=none")
    assert result.exit_code == 1
    assert "No pod in namespace 'inference' matches 'app=none'" in result.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--kubernetes", "prod/inference"], "the kubeconfig has no context 'prod'; its contexts are: arn:aws:eks"),
        (["--kubernetes", "In_ference"], "'In_ference' is not a namespace"),
        (["--kubernetes", ""], "'' is not a namespace"),
        (["--kubernetes", "test/"], "'' is not a namespace"),
        (["--kubernetes", "x", "--url", "http://a"], "Give only one of --config, --targets, --kubernetes, and --url"),
        (["--url", "kubernetes://x"], "Expected an address such as kubernetes://NAMESPACE/POD:7000"),
        (["--url", "kubernetes://x/y:0"], "Expected an address such as kubernetes://NAMESPACE/POD:7000"),
        (["--url", "kubernetes://x/y:99999"], "Expected an address such as kubernetes://NAMESPACE/POD:7000"),
        (["--url", "kubernetes://x/../y:7000"], "Expected an address such as kubernetes://NAMESPACE/POD:7000"),
        (["--url", f"kubernetes://x/{EVIL}:7000"], "Expected an address such as kubernetes://NAMESPACE/POD:7000"),
    ],
)
def test_a_choice_that_cannot_be_used(api: ApiServer, given: list[str], message: str) -> None:
    api.pods = []
    result = run("status", *given)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_context_of_an_address_is_named(api: ApiServer) -> None:
    api.pods = []
    (row,) = rows("status", "--url", "kubernetes://nowhere/inference/x:7000")
    assert "The kubeconfig /" in row["error"]
    assert "nowhere" in row["error"]


def test_there_is_no_kubeconfig(tmp_path: Path) -> None:
    result = run("status", "--kubernetes", "x", HOME=str(tmp_path), KUBECONFIG=None)
    assert result.exit_code == 1
    assert "There is no kubeconfig at $KUBECONFIG or ~/.kube/config, and this is not a pod" in result.stderr


@pytest.mark.parametrize(
    "content",
    ["", "[", "7", "- a", "a: b", "contexts: 5", "contexts: [{}]", "current-context: x", "\0", f"contexts: {EVIL!r}",
     "{contexts: [{name: a, context: {cluster: b, user: c}}], clusters: [], users: [], current-context: a}", None],
)  # fmt: skip
def test_a_kubeconfig_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    result = run("status", "--kubernetes", "x", KUBECONFIG=str(path))
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert result.stderr.startswith(f"Error: The kubeconfig {path} cannot be used: ")
    assert len(result.stderr.splitlines()) == 1
    assert run("get", "/meta", "--url", "kubernetes://x/y:7000", KUBECONFIG=str(path)).exit_code == 1


def test_a_credential_plugin_that_fails_is_named(cluster: Cluster) -> None:
    _, kubeconfig = cluster
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such"}}
    (other := kubeconfig.with_name("plugin")).write_text(yaml.safe_dump(config))
    result = run("status", "--kubernetes", NAMESPACE, KUBECONFIG=str(other))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_a_slow_handshake_delays_no_other_pod(api: ApiServer, healthy: FakePod) -> None:
    hanging = threading.Event()

    def handshake() -> Response | None:
        if "/slow/" in api.requests[-1]:
            hanging.wait(20)
        return None

    api.handshake = handshake
    began = time.monotonic()
    error = the_failure(api, healthy, FakePod("slow"), "--timeout", "2")
    hanging.set()
    assert error == "the Kubernetes API opened no connection to the pod within 1 s"
    assert time.monotonic() - began < 5


def test_a_server_that_does_not_respond_has_its_row(api: ApiServer, healthy: FakePod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pod = FakePod("silent", {6999: listener.getsockname()[1]})
        assert the_failure(api, healthy, pod, "--timeout", "2") == "no answer within 2 s"


def test_handshakes_at_the_same_time_are_limited(
    api: ApiServer, shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_opening", threading.BoundedSemaphore(3))
    api.pods = [FakePod(f"engine-{number}", ports_of(shared_fleet.port)) for number in range(6)]

    def handshake() -> Response | None:
        time.sleep(0.02)
        return None

    api.handshake = handshake
    found = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert [row["ok"] for row in found] == [True] * 30
    assert 2 <= api.most_opening <= 3


def test_pods_are_listed_page_by_page(api: ApiServer, shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = {"lmcache-internal/index": "1"}
    api.pods = [FakePod(f"engine-{n}", ports_of(shared_fleet.port), annotations=ranks) for n in range(230)]
    assert len(rows("get", "/lmc_version", "--kubernetes", NAMESPACE)) == 230
    assert sum("/pods?" in path for path in api.requests) == 3
    monkeypatch.setattr(cluster_module, "MAX_PODS", 150)
    assert "More than 150 pods in namespace 'inference' match" in run("status", "--kubernetes", NAMESPACE).stderr
    monkeypatch.undo()


def test_the_number_of_servers_is_limited(api: ApiServer, healthy: FakePod, monkeypatch: pytest.MonkeyPatch) -> None:
    api.pods = [healthy]
    monkeypatch.setattr(search, "MAX_SERVERS", 4)
    assert "5 servers match, and a command asks at most 4" in run("status", "--kubernetes", NAMESPACE).stderr


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"items": null}', b'{"items": [{}]}', b'{"items": [{"metadata": {"name": 5}}]}',
     b'{"items": [], "metadata": {"continue": 7}}', b"[" * 100_000, b"<html>proxy</html>", bytes(range(256))],
)  # fmt: skip
def test_a_list_that_cannot_be_used_is_one_line(api: ApiServer, body: bytes) -> None:
    api.list_body = body
    result = run("status", "--kubernetes", NAMESPACE)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert len(result.stderr.splitlines()) == 1
    assert "The Kubernetes API sent no usable list of pods in namespace 'inference'" in result.stderr


def test_names_in_a_list_do_not_reach_the_terminal_raw(api: ApiServer) -> None:
    api.list_body = json.dumps({"items": [{"metadata": {"name": EVIL}, "status": {"phase": EVIL}}]}).encode()
    result = run("status", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert not {"\x1b", "\r", "\u202e", "\u2028"} & set(result.output)
    assert not any(line.startswith("FAKE-ROW") for line in result.stdout.splitlines())


def after_announcement(*messages: bytes | str) -> Forward:
    def forward(connection: ServerConnection, port: int) -> None:
        announce(connection, port)
        connection.recv()  # The request.
        for message in messages:
            connection.send(message)
        connection.recv(timeout=5)

    return forward


def instead(*messages: bytes | str) -> Forward:
    def forward(connection: ServerConnection, port: int) -> None:
        del port
        for message in messages:
            connection.send(message)
        connection.recv(timeout=5)

    return forward


def at_once(connection: ServerConnection, port: int) -> None:
    del port
    connection.close()


def flood(connection: ServerConnection, port: int) -> None:
    announce(connection, port)
    connection.recv()
    connection.send(b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"\0" + b"%x\r\n%s\r\n" % (1 << 20, bytes(1 << 20)))


def pings(connection: ServerConnection, port: int) -> None:
    announce(connection, port)
    while True:
        connection.ping()
        time.sleep(0.001)


OK = b"\0HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (at_once, "the connection failed"),
        (instead(b"\0\0\0", b"\1\0\0"), "the Kubernetes API did not confirm port 6999"),
        (instead(b"\0" + struct.pack("<H", 6999) + b"HTTP/1.1 200 OK"), "did not confirm port 6999"),
        (instead("text"), "the Kubernetes API sent text instead of binary data"),
        (after_announcement(b"\7data"), "the Kubernetes API sent data on channel 7"),
        (after_announcement(b"\xffdata"), "the Kubernetes API sent data on channel 255"),
        (after_announcement(b"\1error \xff" + EVIL.encode()), "error"),
        (after_announcement(OK + b"\"0.1", b"\1connection refused by nobody"), "connection refused by nobody"),
        (after_announcement(b"\0garbage\r\n\r\n"), "the connection failed"),
        (after_announcement(b"", b"\0", b""), "no answer within 2 s"),
        (pings, "no answer within 2 s"),
        (flood, "the answer is larger than 64 MiB"),
    ],
)  # fmt: skip
def test_a_hostile_forward_is_one_row(
    api: ApiServer, healthy: FakePod, forward: Forward, reason: str, recwarn: pytest.WarningsRecorder
) -> None:
    api.pods = [healthy, FakePod("hostile", forward=forward, annotations={"lmcache-internal/index": "0"})]
    given = ("get", "/lmc_version", "--kubernetes", NAMESPACE, "--timeout", "20" if forward is flood else "2")
    found = rows(*given)
    assert [row["ok"] for row in found] == [True] * 5 + [False]
    assert reason in found[-1]["error"]
    assert "\x1b" not in run(*given).output
    assert not recwarn.list


def test_a_message_may_be_larger_than_what_is_read_at_once(api: ApiServer) -> None:
    response = b'\0HTTP/1.1 200 OK\r\nContent-Length: 300002\r\n\r\n"' + b"x" * 300_000 + b'"'
    api.pods = [FakePod("x", forward=after_announcement(response), annotations={"lmcache-internal/index": "0"})]
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert row["data"] == "x" * 300_000


def test_control_messages_do_not_extend_the_time_limit(api: ApiServer) -> None:
    def ping_at_once(connection: ServerConnection, port: int) -> None:
        announce(connection, port)
        while True:
            connection.ping()

    api.pods = [FakePod("x", forward=ping_at_once)]
    transport = PodTransport(PodName(None, NAMESPACE, "x"), 6999)
    began = time.monotonic()
    with httpx.Client(transport=transport, timeout=2) as client, pytest.raises(httpx.ReadTimeout):
        client.get("http://127.0.0.1:6999/")
    assert time.monotonic() - began < 10


def test_a_refused_connection_was_not_used(api: ApiServer, fleet: Fleet) -> None:
    """A change is reported as not applied, because the request did not reach the server."""
    ports = ports_of(fleet.port)
    del ports[7001]
    api.pods = [FakePod("engine-0", ports)]
    result = run("freeze", "on", "--all", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert "nothing listens on port 7001 of the pod's loopback interface" in result.output


@contextmanager
def worker_in_a_pod(api: ApiServer) -> Iterator[None]:
    values: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": free_port() - 1}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert server.address is not None
        api.pods = [FakePod("x", {7000: server.address.port}, annotations={"lmcache-internal/index": "1"})]
        yield


def test_large_bodies_arrive_in_both_directions(api: ApiServer, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"# {'x' * 900_000}\nresult = 'y' * 5_000_000")
    with worker_in_a_pod(api):
        result = run("script", "run", str(script), "--kubernetes", NAMESPACE)
    assert result.exit_code == 0
    assert "y" * 5_000_000 in result.stdout


@pytest.mark.parametrize(("status_code", "length"), [(200, None), (200, 10)])
def test_a_server_that_closes_the_connection_ends_the_response(
    api: ApiServer, status_code: int, length: int | None
) -> None:
    class Closing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status_code)
            if length:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b'"1.2.3"')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api.pods = [FakePod("x", {7000: server.server_port}, annotations={"lmcache-internal/index": "1"})]
        (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
        server.shutdown()
        thread.join()
    assert row["ok"] is (length is None)
    assert row.get("data", "1.2.3") == "1.2.3"


def test_a_scheduler_of_lmcache_itself_is_counted_by_its_world_size(api: ApiServer) -> None:
    class Theirs(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = {"/meta?names=world_size": b'{"world_size": 2}', "/lmc_version": b'"0.5.6"'}.get(self.path)
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body or b'{"detail":"Not Found"}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Theirs) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api.pods = [FakePod("x", dict.fromkeys((6999, 7000, 7001), server.server_port))]
        found = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
        server.shutdown()
        thread.join()
    assert [row["index"] for row in found] == [0, 1, 2]


def test_top_finds_pods_that_appear_and_drops_those_that_are_deleted(api: ApiServer, healthy: FakePod) -> None:
    other = FakePod("other", healthy.ports)
    api.pods = [healthy]
    lists = iter([[healthy], [healthy, other], [other]])
    api.before_list = lambda: setattr(api, "pods", next(lists, [other]))
    output = run("top", "--count", "2", "--interval", "0.1", "--kubernetes", NAMESPACE, "--json").stdout
    refreshes = [
        {row["address"].split("/")[-1].split(":")[0] for row in json.loads(line)} for line in output.splitlines()
    ]
    assert refreshes == [{"healthy", "other"}, {"other"}]


def test_a_token_is_sent_through_the_forward(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "token").write_text("lmci_of_the_pod\n")
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "lmci_of_the_pod")
    with worker_in_a_pod(api):
        monkeypatch.delenv("LMCACHE_INTERNAL_API_SERVER_TOKEN")
        given = ("get", "/meta", "--kubernetes", NAMESPACE)
        assert "HTTP 401" in rows(*given)[0]["error"]
        assert rows(*given, "--bearer-token-file", str(file))[0]["ok"]


def test_an_mp_server_is_one_server(api: ApiServer, shared_fleet: Fleet) -> None:
    api.pods = [FakePod("mp-0", {8080: shared_fleet.port}, labels={"lmcache-internal/server": "mp"})]
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert (row["index"], row["address"], row["ok"]) == (None, "kubernetes://inference/mp-0:8080", True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_of_the_api_is_checked(
    tmp_path: Path, shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    certificate, key = tmp_path / "api.pem", tmp_path / "api.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with api_server(tmp_path, certificate, key, trusted) as (api, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        api.pods = [FakePod("engine-0", ports_of(shared_fleet.port))]
        result = run("get", "/lmc_version", "--kubernetes", NAMESPACE)
        direct = run("get", "/lmc_version", "--url", "kubernetes://inference/engine-0:7000")
    assert (result.exit_code, direct.exit_code) == ((0, 0) if trusted else (1, 1))
    if not trusted:
        assert "CERTIFICATE_VERIFY_FAILED" in result.stderr
        assert "CERTIFICATE_VERIFY_FAILED" in direct.output
