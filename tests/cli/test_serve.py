"""`serve`: a deployment to try, as a process of its own."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.serving import TINY, children, config_file, get, post, put, run, served
from tests.support import ROOT, eventually, free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, free_port(8))


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
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "Stopping.\n"


def test_each_rank_has_a_configuration_of_its_own(config: Path) -> None:
    with served("--config", str(config), "--workers", "2", "--kv-shape", "2,2,16,2,4") as (process, lines):
        post(f"{lines[1].partition(' on ')[2]}/conf", json={"min_retrieve_tokens": 5}).raise_for_status()
        found = json.loads(
            run("get", "/conf?names=min_retrieve_tokens", "--config", str(config), "--index", "0-2", "--json").stdout
        )
        assert [entry["data"]["min_retrieve_tokens"] for entry in found] == [0, 5, 0]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


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


@pytest.mark.parametrize("kind", ["file", "variables", "socket"])
def test_the_printed_commands_ask_all_ranks(config: Path, tmp_path: Path, kind: str) -> None:
    variables = {
        "file": {},
        "variables": {"LMCACHE_INTERNAL_API_SERVER_PORT_START": str(free_port(6))},
        "socket": {"LMCACHE_INTERNAL_API_SERVER_SOCKET_PATH_PREFIX": str(tmp_path / "a b" / "socket")},
    }[kind]
    file = ["--config", str(config)] if kind == "file" else []
    with served(*file, "--workers", "5", *TINY[:1], "2,2,256,2,4" if not file else TINY[1], **variables) as (_, lines):
        (status,) = [line.strip() for line in lines if "lmcache-internal status" in line]
        command = status.replace("lmcache-internal", f"{shlex.quote(sys.executable)} -m lmcache_internal.cli")
        done = subprocess.run([f"{command} --json"], shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert [entry["ok"] for entry in json.loads(done.stdout)] == [True] * 6, done.stderr


def test_where_nothing_is_enabled_it_says_so(config: Path) -> None:
    config.write_text(config.read_text().replace("enabled: true", "enabled: false"))
    with served("--config", str(config)) as (_, lines):
        assert lines[0].startswith("No rank is served: see internal_api_server_enabled")


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


class TestProcesses:
    def test_each_rank_is_a_process_with_metrics_loggers_and_threads_of_its_own(self, config: Path) -> None:
        with served("--config", str(config), "--workers", "2", *TINY) as (process, lines):
            urls = [line.partition(" on ")[2] for line in lines[:3]]
            assert len(children(process.pid)) == 3
            put(f"{urls[1]}/loglevel?logger_name=lmcache&level=ERROR").raise_for_status()
            post(f"{urls[1]}/cache/store?tokens_mock=5000,5016").raise_for_status()
            assert [get(f"{url}/loglevel?logger_name=lmcache").text for url in urls] == [
                "lmcache: NOTSET",
                "lmcache: ERROR",
                "lmcache: NOTSET",
            ]
            stored = "lmcache:num_stored_tokens_total"
            texts = [get(f"{url}/metrics", params={"name[]": stored}).text for url in urls]
            assert [line.split()[-1] for text in texts for line in text.splitlines() if line.startswith(stored)] == [
                "144.0",
                "128.0",
            ]

    def test_the_scheduler_looks_tokens_up_in_the_workers(self, config: Path) -> None:
        with served("--config", str(config), "--workers", "2", *TINY) as (_, lines):
            url, name = lines[2].partition(" on ")[2], "lmcache:num_lookup_hits_total"

            def hits() -> str:
                return get(f"{url}/metrics", params={"name[]": name}).text

            assert eventually(lambda: hits().endswith(" 192.0\n")), hits()


class TestMemory:
    def usage(self, config: Path, *arguments: str) -> list[float]:
        """GiB of the hot cache of each worker, by its configuration."""
        with served("--config", str(config), *arguments) as (_, lines):
            urls = [line.partition(" on ")[2] for line in lines if line.startswith("Worker")]
            return [get(f"{url}/conf?names=max_local_cpu_size").json()["max_local_cpu_size"] for url in urls]

    @pytest.mark.parametrize(("workers", "memory"), [(1, 256), (4, 256), (2, 64)])
    def test_workers_share_it(self, config: Path, workers: int, memory: int) -> None:
        sizes = self.usage(config, "--workers", str(workers), "--memory", str(memory))
        assert len(set(sizes)) == 1
        # The buffers take a quarter of it where the chunks are as large as may be.
        assert 0.7 * memory / 1024 < sum(sizes) < memory / 1024

    def test_the_configuration_may_ask_for_less(self, config: Path) -> None:
        config.write_text(config.read_text() + "max_local_cpu_size: 0.01\n")
        assert self.usage(config) == [0.01]

    def test_a_shape_that_does_not_fit_is_refused_with_what_would_do(self, config: Path) -> None:
        arguments = ("serve", "--config", str(config), "--workers", "64", "--kv-shape", "27,2,16,8,128")
        result = run(*arguments)
        assert result.exit_code == 1
        assert (
            "256 MiB for 64 workers are not enough for chunks of 1769472 bytes; give --memory 1728 or" in result.stderr
        )
