"""`--kubernetes`: servers in pods, through the port-forward of a Kubernetes API, with the official client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.commands import ALL, arguments
from tests.cli.conftest import WORKERS, Cluster, Fleet
from tests.cli.kubernetes import NAMESPACE, TOKEN, ports_of, rows, run, write_kubeconfig
from tests.cli.kubernetes_api import ApiServer, FakePod


def test_commands_find_the_ranks_of_every_pod(api: ApiServer, shared_fleet: Fleet) -> None:
    port = shared_fleet.port
    api.pods = [
        FakePod("engine-0", ports_of(port)),
        FakePod("engine-1", ports_of(port, start=8000), env={"LMCACHE_INTERNAL_API_SERVER_PORT_START": "8000"}),
        FakePod("engine-2", ports_of(port, start=9000), annotations={"lmcache-internal/port-start": "9000"}),
        FakePod("router", labels={"app": "router"}),
    ]
    found = rows("status", "--kubernetes", NAMESPACE)
    assert [row["address"] for row in found] == [
        f"kubernetes://inference/engine-{pod}:{start + index}"
        for pod, start in enumerate((6999, 8000, 9000))
        for index in range(1 + WORKERS)
    ]
    assert all(row["ok"] for row in found)
    assert [row["index"] for row in found] == [0, 1, 2, 3, 4] * 3


@pytest.mark.parametrize("command", ALL)
def test_every_command_does_in_a_pod_what_it_does_without(
    api: ApiServer, shared_fleet: Fleet, tmp_path: Path, command: str
) -> None:
    api.pods = [FakePod("engine-0", ports_of(shared_fleet.port))]
    # All servers of the test are in one process, which takes one profile at a time.
    chosen = ["--index", "1"] if "--samples" in command else ["--all"]
    given = [*arguments(command, tmp_path), *chosen]
    direct = shared_fleet.run(*given)
    forwarded = run(*given, "--kubernetes", NAMESPACE)
    assert forwarded.exit_code == direct.exit_code, forwarded.output
    asked = {int(path.rpartition("ports=")[2]) for path in api.requests if "/portforward?" in path}
    workers = {7000} if "--index" in chosen else {7000, 7001, 7002, 7003}
    assert workers <= asked <= {6999, *workers}


@pytest.mark.parametrize(
    ("chosen", "addresses"),
    [
        (["inference:app=vllm"], ["inference/b:6999", "inference/b:7000"]),
        (["inference:app"], ["inference/b:6999", "inference/b:7000", "inference/c:6999", "inference/c:7000"]),
        (["inference:app,app=x"], ["inference/c:6999", "inference/c:7000"]),
        (["test/inner/inference:app=x"], ["test/inner/inference/c:6999", "test/inner/inference/c:7000"]),
        (["inference:app=x", "--index", "1-4"], ["inference/c:7000"]),
        (["other/inference:app=x"], ["other/inference/c:6999", "other/inference/c:7000"]),
        (["test/inference:lmcache-internal/server=engine"], ["test/inference/a:6999", "test/inference/a:7000"]),
        (["arn:aws:eks:eu:1:cluster/test/inference:app=x", "--worker", "0"],
         ["arn:aws:eks:eu:1:cluster/test/inference/c:7000"]),
        (["inference:app=x", "--kubernetes", "inference", "--scheduler"], ["inference/c:6999", "inference/a:6999"]),
        (["inference:app=x", "--kubernetes", "inference:app", "--index", "0"],
         ["inference/c:6999", "inference/b:6999"]),
    ],
)  # fmt: skip
def test_context_namespace_and_selector_choose_pods(
    api: ApiServer, shared_fleet: Fleet, chosen: list[str], addresses: list[str]
) -> None:
    ports = ports_of(shared_fleet.port, 2)
    ranks = {"lmcache-internal/index": "0,1"}
    labels = {"a": {"lmcache-internal/server": "engine"}, "b": {"app": "vllm"}, "c": {"app": "x"}}
    api.pods = [FakePod(name, ports, labels=labels[name], annotations=ranks) for name in ("a", "b", "c")]
    found = rows("get", "/lmc_version", "--kubernetes", *chosen)
    assert sorted(row["address"] for row in found) == sorted(f"kubernetes://{address}" for address in addresses)
    assert all(row["ok"] for row in found)


def test_an_address_of_a_pod_is_a_url(api: ApiServer, shared_fleet: Fleet, tmp_path: Path) -> None:
    api.pods = [FakePod("engine-0", ports_of(shared_fleet.port))]
    address = "kubernetes://test/inference/engine-0:7001"
    assert [row["index"] for row in rows("get", "/lmc_version", "--url", address)] == [2]
    listed = tmp_path / "targets.yaml"
    listed.write_text(json.dumps([{"targets": [address], "labels": {"index": "2"}}]))
    assert [row["address"] for row in rows("get", "/lmc_version", "--targets", str(listed))] == [address]


def test_hints_name_the_pods(api: ApiServer, fleet: Fleet) -> None:
    api.pods = [FakePod("engine-0", ports_of(fleet.port))]
    changed = run("conf", "set", "pin_timeout_sec=61", "--yes", "--kubernetes", "inference", "--worker", "0")
    hint = "To undo: lmcache-internal conf rollback --to 0 --url kubernetes://inference/engine-0:7000"
    assert hint in changed.output.splitlines()
    undone = run(*hint.split()[3:], "--yes")
    assert (undone.exit_code, fleet.managers[1].config.pin_timeout_sec) == (0, 300)


def test_a_change_of_several_pods_needs_a_choice(api: ApiServer, shared_fleet: Fleet) -> None:
    api.pods = [FakePod(name, ports_of(shared_fleet.port)) for name in ("a", "b")]
    result = run("freeze", "off", "--kubernetes", NAMESPACE)
    assert result.exit_code == 2
    assert "This changes 8 servers. Add --all" in " ".join(result.stderr.split())


def test_the_command_starts_without_the_client() -> None:
    program = (
        "import sys; from lmcache_internal.cli import main\n"
        "try: main(['status', '--url', 'http://127.0.0.1:1'])\n"
        "except SystemExit: print(sorted({'kubernetes', 'websocket', 'urllib3', 'requests'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_refused_credentials_are_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    api, kubeconfig = cluster
    written = kubeconfig.read_text()
    (other := kubeconfig.with_name("other")).write_text(written.replace(TOKEN, "wrong"))
    monkeypatch.setenv("KUBECONFIG", str(other))
    result = run("status", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert "refuses the credentials of the kubeconfig (HTTP 401: Unauthorized)" in result.stderr
    assert api.requests


def test_an_unreachable_api_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    result = run("status", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert "Cannot list the pods in namespace 'inference': the Kubernetes API cannot be used:" in result.stderr
    assert "Connection refused" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_credentials_come_from_a_plugin_of_the_kubeconfig(cluster: Cluster, shared_fleet: Fleet) -> None:
    """As with the clusters of cloud providers: the kubeconfig names a program that prints the token."""
    api, kubeconfig = cluster
    api.pods = [FakePod("engine-0", ports_of(shared_fleet.port))]
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": TOKEN}}
    plugin = {"apiVersion": credential["apiVersion"], "command": "echo", "args": [json.dumps(credential)]}
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"exec": plugin}
    (other := kubeconfig.with_name("plugin")).write_text(yaml.safe_dump(config))
    assert run("get", "/lmc_version", "--kubernetes", NAMESPACE, KUBECONFIG=str(other)).exit_code == 0
