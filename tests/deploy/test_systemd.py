"""The units: accepted by systemd-analyze, and their settings serve."""

from __future__ import annotations

import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.cli.serving import run, served
from tests.support import ROOT, free_port

UNITS = ROOT / "deploy" / "systemd"
DROP_IN = UNITS / "vllm.service.d" / "lmcache-internal.conf"
MP_UNIT = UNITS / "lmcache-mp.service"
FILES = [DROP_IN, MP_UNIT]

BREAKING = {
    "PrivateDevices": "hides the GPU",
    "DeviceAllow": "hides all other devices",
    "DevicePolicy": "hides the GPU",
    "ProtectClock": "implies DeviceAllow=",
    "ProtectKernelModules": "the driver of the GPU may be loaded at first use",
    "MemoryDenyWriteExecute": "kernels are compiled at run time",
    "PrivateIPC": "ranks share memory",
    "PrivateTmp": "processes of two units may share sockets below /tmp",
    "PrivateUsers": "processes of two units share GPU memory",
    "PrivateNetwork": "the engine serves",
    "ProtectHome": "models are cached in the home",
    "ProcSubset": "the engine reads /proc/meminfo",
    "RestrictAddressFamilies": "NCCL needs AF_NETLINK and AF_IB",
    "SystemCallFilter": "drivers use rare system calls",
    "RestrictRealtime": "NCCL may set priorities",
}


def directives(path: Path, section: str = "Service") -> list[tuple[str, str]]:
    """The directives of a section, in order; a backslash continues a line."""
    lines = re.sub(r"\\\n\s*", "", path.read_text()).splitlines()
    found, current = [], ""
    for line in (line.strip() for line in lines):
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith("#") and current == section:
            name, _, value = line.partition("=")
            found.append((name, value))
    return found


def environment(path: Path) -> dict[str, str]:
    assignments = [value for name, value in directives(path) if name == "Environment"]
    return {name: value for name, _, value in (assignment.partition("=") for assignment in assignments)}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze; apt-get install systemd")
@pytest.mark.parametrize("broken", ["", "RuntimeDirectoryMod=0700", "ProtectSystem=fully"])
@pytest.mark.parametrize("unit", FILES, ids=lambda path: path.name)
def test_systemd_analyze_has_no_findings(unit: Path, broken: str, tmp_path: Path) -> None:
    """With `broken` added it has some: the tool reads the file."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    copy = tmp_path / unit.relative_to(UNITS)
    copy.write_text(copy.read_text().replace("[Service]\n", f"[Service]\n{broken}\n"))
    (tmp_path / "vllm.service").write_text("[Service]\nExecStart=/opt/vllm/bin/vllm serve model\n")
    for path in tmp_path.glob("*.service"):  # The tool requires that the programs exist.
        path.write_text(path.read_text().replace("/opt/vllm/bin/", f"{_programs(tmp_path)}/"))
    name = "vllm.service" if unit is DROP_IN else unit.name
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no", f"./{name}"],
        cwd=tmp_path,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/usr/lib/systemd/system:/lib/systemd/system"},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = [line for line in done.stderr.splitlines() if str(tmp_path) in line or name in line]
    assert bool(findings) == bool(broken), done.stderr


def _programs(directory: Path) -> Path:
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("vllm", "lmcache-internal"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    return programs


@pytest.mark.parametrize("unit", FILES, ids=lambda path: path.name)
def test_no_directive_breaks_an_engine(unit: Path) -> None:
    names = {name for name, _ in directives(unit)}
    assert names & set(BREAKING) == set()
    assert dict(directives(unit))["ProtectSystem"] != "strict", "model caches are written"


@pytest.mark.parametrize("unit", FILES, ids=lambda path: path.name)
def test_units_have_the_same_hardening(unit: Path) -> None:
    hardening = [pair for pair in directives(unit) if pair[0].startswith(("NoNew", "Protect", "Restrict", "Lock"))]
    assert hardening == [pair for pair in directives(DROP_IN) if pair in hardening]
    assert len(hardening) == 8


@contextmanager
def runtime_directory(unit: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory as systemd creates it, and its path under systemd."""
    given = dict(directives(unit))
    directory = tmp_path / given["RuntimeDirectory"]
    directory.mkdir(mode=int(given["RuntimeDirectoryMode"], 8))
    yield directory, f"/run/{given['RuntimeDirectory']}"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_drop_in_serves_on_sockets(tmp_path: Path) -> None:
    with runtime_directory(DROP_IN, tmp_path) as (directory, path):
        variables = {name: value.replace(path, str(directory)) for name, value in environment(DROP_IN).items()}
        assert variables["LMCACHE_INTERNAL_API_SERVER"] == "lmcache_internal"
        with served("--memory", "8", **variables) as (_, lines):
            socket = directory / "api_7000"
            assert f"Worker 0 listens on {socket}" in lines
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            assert run("get", "/livez", "--socket", str(socket)).exit_code == 0


def test_the_mp_unit_serves_on_a_socket(tmp_path: Path) -> None:
    start = shlex.split(dict(directives(MP_UNIT))["ExecStart"])
    options = dict(zip(start[2::2], start[3::2], strict=True))
    settings = UNITS / Path(options["--internal-config"]).name
    assert options["--internal-config"] == f"/etc/lmcache/{settings.name}"
    with runtime_directory(MP_UNIT, tmp_path) as (directory, path):
        values = yaml.safe_load(settings.read_text().replace(path, str(directory)))
        values["extra_config"]["internal_api_server_public_port_start"] = free_port()
        config = tmp_path / settings.name
        config.write_text(yaml.safe_dump(values))
        with served("--mp", options["--http-port"], "--config", str(config)):
            socket = directory / f"api_{options['--http-port']}"
            assert run("get", "/healthcheck", "--socket", str(socket)).exit_code == 0


def test_the_command_of_the_mp_unit_exists() -> None:
    start = shlex.split(dict(directives(MP_UNIT))["ExecStart"])
    done = subprocess.run(
        [sys.executable, "-m", "lmcache_internal.cli", start[1], "--help"], capture_output=True, text=True, check=True
    )
    assert "--internal-config" in done.stdout
