"""Servers that are made from the ConfigMaps in deploy/kubernetes, with a tokens file as kubelet mounts the Secret."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.mp.config import MPConfig
from tests.deploy import manifests
from tests.deploy.manifests import Manifest
from tests.support import free_port, make_manager

needs_kubectl = pytest.mark.skipif(not manifests.has_kubectl(), reason="kubectl is not installed")


@contextmanager
def mounted(directory: Path, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Mount the Secret of a pod as kubelet does; yields the directory, and a token with the role admin."""
    (volume,) = [each for each in manifest["spec"]["volumes"] if "secret" in each]
    content = directory / "..2026_11_29_08_00_00.123"
    content.mkdir(parents=True)
    file = directory.parent / "tokens.yaml"
    made = CliRunner().invoke(main, ["token", "new", "--name", "ops", "--role", "admin", "--file", str(file)])
    (content / "tokens.yaml").write_bytes(file.read_bytes())
    (content / "tokens.yaml").chmod(volume["secret"]["defaultMode"])
    (directory / "..data").symlink_to(content.name)
    (directory / "tokens.yaml").symlink_to("..data/tokens.yaml")
    directory.chmod(0o1777)
    yield directory, made.stdout.split()[0]


def status(port: int, path: str, token: str | None = None) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def check_servers(built: list[Manifest], admin: list[int], public: dict[int, int], token: str) -> None:
    """Check what responds to whom.

    Args:
        admin: the admin ports.
        public: the ports of the public listeners in the manifests, and where they are.
    """
    asked = [*manifests.probed(built), *manifests.monitored(built)]
    for path, port in asked:
        if path != "/health":  # That is vLLM's.
            assert status(public[port], path) == 200, (path, port)
    for port in admin:
        assert status(port, "/env") == 401
        assert status(port, "/env", token) == 200
        assert status(port, "/healthz/tokens") == 200
    for port in public.values():
        assert status(port, "/env") == 401
        assert status(port, "/env", token) == 401  # The public listener accepts no token.


@needs_kubectl
def test_servers_of_the_config_map_serve_probes_and_prometheus(vllm: list[Manifest], tmp_path: Path) -> None:
    text = manifests.the(vllm, "ConfigMap")["data"]["lmcache.yaml"]
    values = yaml.safe_load(text)
    admin, public = free_port(2), free_port(2)
    with mounted(tmp_path / "secret", manifests.template(vllm)) as (secret, token), ExitStack() as stack:
        extra = values["extra_config"]
        extra["internal_api_server_tokens_file"] = extra["internal_api_server_tokens_file"].replace(
            manifests.mount_path(vllm, "lmcache-tokens"), str(secret)
        )
        assert values["internal_api_server_port_start"] == 6999
        values["internal_api_server_port_start"] = admin
        assert extra["internal_api_server_public_port_start"] == 8999
        extra["internal_api_server_public_port_start"] = public
        values["max_local_cpu_size"] = 0.01
        for role in ("scheduler", "worker"):
            manager = stack.enter_context(make_manager(role, world_size=1, **values))
            stack.enter_context(InternalAPIServer(manager))
        check_servers(vllm, [admin, admin + 1], {8999: public, 9000: public + 1}, token)


@needs_kubectl
def test_an_mp_server_of_the_config_map_serves_probes_and_prometheus(mp: list[Manifest], tmp_path: Path) -> None:
    values = yaml.safe_load(manifests.the(mp, "ConfigMap")["data"]["internal.yaml"])
    options = dict(each.split("=", 1) for each in manifests.container(mp)["args"])
    with mounted(tmp_path / "secret", manifests.template(mp)) as (secret, token):
        extra = values["extra_config"]
        extra["internal_api_server_tokens_file"] = extra["internal_api_server_tokens_file"].replace(
            manifests.mount_path(mp, "lmcache-tokens"), str(secret)
        )
        assert extra["internal_api_server_public_port_start"] == 9400
        extra["internal_api_server_public_port_start"] = public = free_port()
        admin = free_port()
        config = MPConfig(options["--http-host"], admin, values)
        with EmbeddedMPManager(config) as manager, InternalAPIServer(manager):
            check_servers(mp, [admin], {9400: public}, token)
