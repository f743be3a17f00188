"""`--kubernetes` where something fails: each pod that cannot be used has one row, and the others are not affected."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.http11 import Response

from lmcache_internal.cli.pods import cluster as cluster_module
from lmcache_internal.cli.pods import search
from tests.cli.conftest import Cluster, Fleet
from tests.cli.kubernetes import EVIL, NAMESPACE, ports_of, rows, run
from tests.cli.kubernetes_api import ApiServer, FakePod, status
from tests.http_server import Asked, Reply, port_of, responding
from tests.support import eventually


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
    api.handshake = lambda _: status(403, "no port-forwards on Sundays")
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
        (FakePod("x", annotations={"lmcache-internal/index": "0-99999"}), "expected at most 4096 numbers"),
        (FakePod("x", annotations={"lmcache-internal/index": "0-4000," * 9 + "1"}), "expected at most 4096 numbers"),
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
        (
            ["--kubernetes", "x", "--url", "http://a"],
            "Give only one of --config, --targets, --coordinator, --kubernetes, and --url",
        ),
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

    def handshake(pod: str) -> Response | None:
        if pod == "slow":
            hanging.wait(60)
        return None

    api.handshake = handshake
    began = time.monotonic()
    error = the_failure(api, healthy, FakePod("slow"), "--timeout", "4")
    hanging.set()
    # Half of the time that is left of the four seconds.
    assert re.fullmatch(r"the Kubernetes API opened no connection to the pod within ([01]\.\d|1|2) s", error)
    assert time.monotonic() - began < 30


def test_a_server_that_does_not_respond_has_its_row(api: ApiServer, healthy: FakePod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pod = FakePod("silent", {6999: listener.getsockname()[1]})
        assert the_failure(api, healthy, pod, "--timeout", "4") == "no answer within 4 s"


def test_handshakes_at_the_same_time_are_limited(
    api: ApiServer, shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_opening", threading.BoundedSemaphore(3))
    api.pods = [FakePod(f"engine-{number}", ports_of(shared_fleet.port)) for number in range(6)]

    def handshake(_: str) -> Response | None:
        eventually(lambda: api.most_opening >= 3)
        time.sleep(0.02)  # A fourth would come now.
        return None

    api.handshake = handshake
    found = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert [row["ok"] for row in found] == [True] * 30
    assert api.most_opening == 3


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


@pytest.mark.parametrize("count", [-1, 0, 1025, 2_000_000, 10**30, "1"])
def test_a_false_number_of_ranks_is_refused(api: ApiServer, healthy: FakePod, count: Any) -> None:
    def respond(asked: Asked) -> Reply:
        return Reply(200 if asked.path.startswith("/meta") else 404, json.dumps({"world_size": count}))

    with responding(respond) as url:
        # The field is refused, before as many numbers are made.
        assert "world_size" in the_failure(api, healthy, FakePod("x", {6999: port_of(url)}))
