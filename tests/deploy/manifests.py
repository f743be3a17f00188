"""Reads the Kubernetes manifests, and decides what they mean: ports, probes, network policies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.support import ROOT

DIRECTORY = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("base", "vllm", "mp", "operators")
KUSTOMIZE = ("Kustomization", "Component")

Manifest = dict[str, Any]


def files() -> list[str]:
    """Return the manifests, relative to their directory, without configuration files of the servers."""
    names = sorted(str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.yaml"))
    return [name for name in names if "apiVersion" in (DIRECTORY / name).read_text()]


def read(name: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((DIRECTORY / name).read_text())
    return manifest


def built(overlay: str) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of an overlay."""
    command = ["kubectl", "kustomize", str(DIRECTORY / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()
    return list(yaml.safe_load_all(done.stdout))


def has_kubectl() -> bool:
    return shutil.which("kubectl") is not None


def the(manifests: list[Manifest], kind: str) -> Manifest:
    """Return the only manifest of a kind."""
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def template(manifests: list[Manifest]) -> Manifest:
    """Return the template of the pods."""
    (found,) = [each["spec"]["template"] for each in manifests if each["kind"] in ("Deployment", "DaemonSet")]
    return dict(found)


def container(manifests: list[Manifest]) -> Manifest:
    (found,) = template(manifests)["spec"]["containers"]
    return dict(found)


def ports(manifests: list[Manifest]) -> dict[str, int]:
    """Return the ports of the container, by name."""
    return {port["name"]: port["containerPort"] for port in container(manifests)["ports"]}


def probed(manifests: list[Manifest]) -> Iterator[tuple[str, int]]:
    """Yield path and port of each probe."""
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container(manifests)[name]["httpGet"]
        yield asked["path"], ports(manifests)[asked["port"]]


def monitored(manifests: list[Manifest]) -> Iterator[tuple[str, int]]:
    """Yield path and port of each endpoint of the PodMonitor."""
    for endpoint in the(manifests, "PodMonitor")["spec"]["podMetricsEndpoints"]:
        yield endpoint["path"], ports(manifests)[endpoint["port"]]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector without expressions matches; an absent selector matches nothing."""
    if selector is None:
        return False
    assert set(selector) <= {"matchLabels"}
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def admitted(
    manifests: list[Manifest], namespace: Mapping[str, str] | None, labels: Mapping[str, str], port: int
) -> bool:
    """Whether the network policies admit a connection to a port of the pods.

    Args:
        namespace: the labels of the namespace of the source, or None for the namespace of the pods.
        labels: the labels of the source.
        port: the port.
    """
    pod = template(manifests)["metadata"]["labels"]
    policies = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    selecting = [policy for policy in policies if selects(policy["podSelector"], pod)]
    if not any("Ingress" in policy["policyTypes"] for policy in selecting):
        return True
    numbers = ports(manifests)
    rules = [rule for policy in selecting for rule in policy.get("ingress", [])]
    return any(
        any(numbers.get(each["port"], each["port"]) == port for each in rule["ports"])
        and any(_is_peer(peer, namespace, labels) for peer in rule["from"])
        for rule in rules
    )


def _is_peer(peer: Mapping[str, Any], namespace: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    if "namespaceSelector" in peer:
        inside = namespace is not None and selects(peer["namespaceSelector"], namespace)
    else:
        inside = namespace is None
    return inside and selects(peer.get("podSelector", {}), labels)


def mount_path(manifests: list[Manifest], volume: str) -> str:
    """Return where a volume is mounted."""
    (path,) = [each["mountPath"] for each in container(manifests)["volumeMounts"] if each["name"] == volume]
    return str(path)
