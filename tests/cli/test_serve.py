"""`serve`: a deployment to try, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from tests.support import ROOT, free_port


@contextmanager
def served(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and what it printed until it was ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")} | variables
    command = [sys.executable, "-m", "lmcache_internal.cli", "serve", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        try:
            yield process, lines
        finally:
            process.kill()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lmcache.yaml"
    path.write_text(
        f"internal_api_server_enabled: true\ninternal_api_server_port_start: {free_port(8)}\nchunk_size: 16\n"
    )
    return path


def test_a_scheduler_and_its_workers_that_say_how_many_they_are(config: Path) -> None:
    with served("--config", str(config), "--workers", "3", "--kv-shape", "2,2,16,2,4") as (process, lines):
        assert [line.partition(" listens on ")[0] for line in lines[:4]] == [
            "Scheduler",
            "Worker 0",
            "Worker 1",
            "Worker 2",
        ]
        found = json.loads(run("status", "--config", str(config), "--all", "--json").stdout)
        assert [(entry["role"], entry["ok"]) for entry in found] == [
            ("scheduler", True),
            ("worker 0", True),
            ("worker 1", True),
            ("worker 2", True),
        ]
        assert found[3]["data"]["usage_bytes"] > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "Stopping.\n"


def test_each_rank_has_a_configuration_of_its_own(config: Path) -> None:
    with served("--config", str(config), "--workers", "2", "--kv-shape", "2,2,16,2,4") as (process, lines):
        httpx.post(f"{lines[1].partition(' on ')[2]}/conf", json={"min_retrieve_tokens": 5}).raise_for_status()
        found = json.loads(
            run("get", "/conf?names=min_retrieve_tokens", "--config", str(config), "--index", "0-2", "--json").stdout
        )
        assert [entry["data"]["min_retrieve_tokens"] for entry in found] == [0, 5, 0]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_it_needs_no_configuration() -> None:
    port = str(free_port(2))
    with served(LMCACHE_INTERNAL_API_SERVER_PORT_START=port) as (_, lines):
        assert lines[0] == f"Scheduler listens on http://127.0.0.1:{port}"


def test_a_port_in_use_is_told(config: Path) -> None:
    port = int(config.read_text().split("port_start: ")[1].split()[0])
    with socket.create_server(("127.0.0.1", port + 1)):
        result = run("serve", "--config", str(config))
    assert result.exit_code == 1
    assert str(port + 1) in result.stderr


def test_where_nothing_is_enabled_it_says_so(config: Path) -> None:
    config.write_text(config.read_text().replace("enabled: true", "enabled: false"))
    with served("--config", str(config)) as (_, lines):
        assert lines[0].startswith("Nothing is served: see internal_api_server_enabled")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--workers", "0"), 2, "'--workers'"),
        (("--kv-shape", "1,2"), 2, "expected five numbers such as 27,1,64,1,576, got '1,2'"),
        (("--kv-shape", "1,2,3,4,5"), 1, "chunk_size is 16, but kv_shape"),
        (("--config", "/no/such.yaml"), 1, "Cannot read the configuration file /no/such.yaml"),
    ],
)
def test_what_cannot_be_served_is_told(config: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    result = run("serve", "--config", str(config), *arguments)
    assert result.exit_code == status
    assert message in result.stderr
