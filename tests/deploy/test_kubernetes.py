"""The manifests in deploy/kubernetes: valid for Kubernetes, and true of the servers that they start."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest
import yaml
from click.testing import CliRunner

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from tests.cli.kubernetes_api import FakePod, api_server
from tests.deploy import manifests
from tests.deploy.manifests import DIRECTORY, Manifest
from tests.support import ROOT, free_port, make_manager

VERSIONS = kubernetes_validate.utils.all_versions()[-3:]
MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
VLLM = {"app.kubernetes.io/name": "vllm"}
needs_kubectl = pytest.mark.skipif(not manifests.has_kubectl(), reason="kubectl is not installed")


def check(manifest: Manifest) -> None:
    """Raise if a manifest is invalid in one of the versions, or has an unknown field."""
    if manifest["kind"] == "PodMonitor":  # Not a part of Kubernetes, so there is no schema.
        assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
        assert set(manifest["spec"]) == {"selector", "podMetricsEndpoints"}
        for endpoint in manifest["spec"]["podMetricsEndpoints"]:
            assert set(endpoint) == {"port", "path", "interval", "scrapeTimeout"}
        return
    for version in VERSIONS:
        assert kubernetes_validate.validate(manifest, version, strict=True) == version.rpartition(".")[0]


@pytest.mark.parametrize("name", manifests.files())
def test_each_file_is_valid(name: str) -> None:
    manifest = manifests.read(name)
    if manifest["kind"] in manifests.KUSTOMIZE:
        assert manifest["apiVersion"].startswith("kustomize.config.k8s.io/")
    elif not name.endswith("-patch.yaml"):  # A patch alone is incomplete.
        check(manifest)


@needs_kubectl
@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_each_overlay_is_valid(overlay: str) -> None:
    for manifest in manifests.built(overlay):
        check(manifest)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("base/deployment.yaml", ("spec", "template", "spec", "containers", 0, "livenessProb")),
        ("base/service.yaml", ("spec", "ports", 0, "targetPorts")),
        ("mp/daemonset.yaml", ("spec", "template", "spec", "hostIpc")),
        ("mp/network-policy.yaml", ("spec", "ingres")),
        ("mp/pod-monitor.yaml", ("spec", "podMetricsEndpoints", 0, "intervall")),
        ("operators/role.yaml", ("rules", 0, "verb")),
    ],
)
def test_a_misspelled_field_is_noticed(name: str, path: tuple[str | int, ...]) -> None:
    manifest: Any = copy.deepcopy(manifests.read(name))
    place = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "x"
    with pytest.raises((kubernetes_validate.ValidationError, AssertionError)):
        check(manifest)


def test_each_file_says_how_it_was_verified() -> None:
    for path in DIRECTORY.rglob("*.yaml"):
        head = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
        assert head, path
        assert re.search(r"^# Verified\b.*tests/deploy\b", head, re.MULTILINE), path
        assert "# Not verified: " in head, path
        assert all(len(line) <= 120 for line in path.read_text().splitlines()), path


def test_no_image_has_a_version_that_nobody_set() -> None:
    for name in manifests.files():
        for image in re.findall(r"^\s+image: (.*)$", (DIRECTORY / name).read_text(), re.MULTILINE):
            assert re.fullmatch(r"[a-z-]+/[a-z-]+", image), "without a registry, and the version is in the overlay"


@needs_kubectl
def test_no_manifest_is_a_secret(vllm: list[Manifest], mp: list[Manifest]) -> None:
    assert not [manifest for manifest in vllm + mp if manifest["kind"] == "Secret"]


@needs_kubectl
@pytest.mark.parametrize(("overlay", "own"), [("vllm", {8999, 9000}), ("mp", {9400})])
def test_probes_and_prometheus_use_the_public_listener(overlay: str, own: set[int]) -> None:
    built = manifests.built(overlay)
    assert {port for path, port in manifests.probed(built) if path != "/health"} <= own
    assert {port for _, port in manifests.monitored(built)} == own
    assert {path for path, _ in manifests.monitored(built)} == {"/metrics"}
    labels = manifests.template(built)["metadata"]["labels"]
    assert manifests.selects(manifests.the(built, "PodMonitor")["spec"]["selector"], labels)
    assert all(labels.get(name) == value for name, value in manifests.the(built, "Service")["spec"]["selector"].items())
    assert manifests.the(built, "Service")["spec"]["ports"][0]["targetPort"] in manifests.ports(built)


@needs_kubectl
@pytest.mark.parametrize(
    ("overlay", "namespace", "labels", "reached"),
    [
        ("vllm", MONITORING, PROMETHEUS, {8999, 9000}),
        ("vllm", MONITORING, {"app": "grafana"}, set()),
        ("vllm", {"kubernetes.io/metadata.name": "other"}, PROMETHEUS, set()),
        ("vllm", None, PROMETHEUS, {8000}),
        ("vllm", None, {}, {8000}),
        ("vllm", {}, {}, set()),
        ("mp", MONITORING, PROMETHEUS, {9400}),
        ("mp", MONITORING, VLLM, set()),
        ("mp", None, VLLM, {5555}),
        ("mp", None, {}, set()),
        ("mp", {}, PROMETHEUS, set()),
    ],
)
def test_the_network_policy_admits_nobody_else(
    overlay: str, namespace: dict[str, str] | None, labels: dict[str, str], reached: set[int]
) -> None:
    built = manifests.built(overlay)
    asked = {*manifests.ports(built).values(), 5555, 6999, 7000, 8000, 8080, 8999, 9000, 9400, 22}
    assert {port for port in asked if manifests.admitted(built, namespace, labels, port)} == reached


@needs_kubectl
@pytest.mark.parametrize(("overlay", "file"), [("vllm", "lmcache.yaml"), ("mp", "internal.yaml")])
def test_files_are_mounted_where_they_are_named(overlay: str, file: str) -> None:
    built = manifests.built(overlay)
    data = manifests.the(built, "ConfigMap")["data"]
    settings = yaml.safe_load(data[file])
    path = manifests.mount_path(built, "lmcache-config")
    container = manifests.container(built)
    named = [each.get("value", "") for each in container["env"]] + container["args"]
    assert any(each.endswith(f"{path}/{file}") for each in named)
    tokens = settings["extra_config"]["internal_api_server_tokens_file"]
    assert tokens == f"{manifests.mount_path(built, 'lmcache-tokens')}/tokens.yaml"
    volumes = {volume["name"]: volume for volume in manifests.template(built)["spec"]["volumes"]}
    assert volumes["lmcache-config"]["configMap"]["name"] == manifests.the(built, "ConfigMap")["metadata"]["name"]
    assert volumes["lmcache-tokens"]["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize("name", ["vllm/lmcache.yaml", "mp/internal.yaml"])
def test_settings_exist(name: str) -> None:
    documented = set(re.findall(r"^\| `(.*?)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    values = yaml.safe_load((DIRECTORY / name).read_text())
    keys = {key for key in values if key.startswith(("internal_api_server_", "run_script"))}
    assert keys | {f"extra_config.{key}" for key in values["extra_config"]} <= documented


def test_the_command_of_the_daemon_set_exists() -> None:
    container = manifests.read("mp/daemonset.yaml")["spec"]["template"]["spec"]["containers"][0]
    program, command = container["command"]
    assert program == main.name
    own = {option for param in main.commands[command].params for option in param.opts}
    assert container["args"][0].partition("=")[0] in own


def test_operators_may_do_what_the_command_line_does_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = manifests.read("operators/role.yaml")["rules"]
    granted = {f"{verb} {resource}" for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    assert granted == {"get pods", "list pods", "get pods/portforward", "create pods/portforward"}
    port = free_port()
    values: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": port - 1}
    with make_manager(**values) as manager, InternalAPIServer(manager), api_server(tmp_path) as (api, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        api.granted = granted
        api.pods = [FakePod("x", {7000: port}, annotations={"lmcache-internal/index": "1"})]
        run: Callable[..., Any] = CliRunner().invoke
        result = run(main, ["status", "--kubernetes", "inference"])
        assert result.exit_code == 0, result.output
        for permission in ("list pods", "get pods/portforward", "create pods/portforward"):
            api.granted = granted - {permission}
            result = run(main, ["status", "--kubernetes", "inference"])
            assert result.exit_code == 1
            assert " on ".join(permission.split()) in " ".join(result.output.split())


@needs_kubectl
@pytest.mark.parametrize(("overlay", "kind"), [("vllm", "engine"), ("mp", "mp")])
def test_the_command_line_finds_the_pods(overlay: str, kind: str) -> None:
    metadata = manifests.template(manifests.built(overlay))["metadata"]
    assert metadata["labels"]["lmcache-internal/server"] == kind
    assert metadata["annotations"]["lmcache-internal/port-start"] == {"engine": "6999", "mp": "8080"}[kind]
