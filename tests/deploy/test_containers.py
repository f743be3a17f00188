"""The Containerfile and the demo: files, commands and options exist. No container engine is needed."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lmcache_internal.cli import main
from lmcache_internal.settings import Settings
from tests.cli.serving import config_file, run, served
from tests.support import ROOT, free_port

DEPLOY = ROOT / "deploy"
CONTAINERFILE = DEPLOY / "container" / "Containerfile"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MOUNTS: list[list[str]] = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
PROMETHEUS = Path("/usr/bin/prometheus")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile with their arguments; a backslash continues a line."""
    text = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_containerfile_copies_what_a_release_has() -> None:
    steps = instructions()
    assert [name for name, _ in steps] == ["ARG", "FROM", "COPY", "RUN", "ENV"]
    copied, target = dict(steps)["COPY"].split()
    assert fnmatch("dist/lmcache_internal-0.1.0-py3-none-any.whl", copied)
    assert f"{target}{Path(copied).name}" in dict(steps)["RUN"]
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored == ["*", f"!{Path(copied).parent}"]


def test_the_containerfile_sets_variables_that_exist() -> None:
    names = [assignment.partition("=")[0] for assignment in dict(instructions())["ENV"].split()]
    assert names == ["LMCACHE_INTERNAL_API_SERVER", "LMCACHE_INTERNAL_API_SERVER_ENABLED"]
    assert "enabled" in Settings.__struct_fields__


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount[0])
def test_mounted_directories_exist_and_are_read_only(mount: list[str]) -> None:
    source, target, mode = mount
    assert any((DEPLOY / source).iterdir())
    assert target.startswith("/")
    assert mode == "ro"


def test_the_build_of_the_fleet_uses_files_that_exist() -> None:
    build = SERVICES["fleet"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert context / build["dockerfile"] == CONTAINERFILE
    assert set(build["args"]) == {arguments for name, arguments in instructions() if name == "ARG"}


def test_the_command_of_the_fleet_is_valid() -> None:
    assert SERVICES["fleet"]["entrypoint"] == ["lmcache-internal"]
    name, *options = SERVICES["fleet"]["command"]
    context = main.commands[name].make_context(name, options)
    assert (context.params["workers"], context.params["traffic"]) == (2, True)


def test_the_health_check_passes_against_a_fleet(tmp_path: Path) -> None:
    _, program, *arguments = SERVICES["fleet"]["healthcheck"]["test"]
    port = free_port(2)
    here = [argument.replace(":7000", f":{port + 1}") for argument in arguments]
    assert program == "lmcache-internal"
    assert here != arguments
    assert run(*here).exit_code == 1
    with served("--config", str(config_file(tmp_path, port))):
        assert run(*here).exit_code == 0


@pytest.mark.skipif(not PROMETHEUS.exists(), reason="needs prometheus; apt-get install prometheus")
def test_options_of_prometheus_exist() -> None:
    help_text = subprocess.run([PROMETHEUS, "--help"], capture_output=True, text=True, check=False)
    for option in SERVICES["prometheus"]["command"]:
        assert f"{option.partition('=')[0]}=" in help_text.stdout + help_text.stderr


def test_prometheus_reads_a_mounted_configuration() -> None:
    option = next(part for part in SERVICES["prometheus"]["command"] if part.startswith("--config.file="))
    config = yaml.safe_load(_mounted(option.partition("=")[2]).read_text())
    hosts = re.findall(r"http://([^/:]+)", str(config["scrape_configs"]))
    assert set(hosts) == {"localhost"}
    assert SERVICES["prometheus"]["network_mode"] == "service:fleet"


def test_grafana_reads_mounted_dashboards_and_reaches_prometheus() -> None:
    dashboards, sources = (
        [yaml.safe_load(path.read_text()) for path in _mounted(f"/etc/grafana/provisioning/{kind}").glob("*.yaml")]
        for kind in ("dashboards", "datasources")
    )
    for provider in (provider for file in dashboards for provider in file["providers"]):
        assert list(_mounted(provider["options"]["path"]).glob("*.json"))
    hosts = {urlsplit(source["url"]).hostname for file in sources for source in file["datasources"]}
    assert hosts == set(SERVICES["fleet"]["networks"]["default"]["aliases"])


def _mounted(inside: str) -> Path:
    """The file or directory of the repository that a service sees at a path."""
    source, target = next((source, target) for source, target, _ in MOUNTS if f"{inside}/".startswith(f"{target}/"))
    return DEPLOY / source / Path(inside).relative_to(target)


def test_only_loopback_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
