"""`serve`: a deployment to try, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from lmcache_internal.cli.serve_plugins import PluginFiles
from tests.docs.processes import lives
from tests.support import ROOT, eventually, free_port


@contextmanager
def served(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and what it printed until it was ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")} | variables
    command = [sys.executable, "-m", "lmcache_internal.cli", "serve", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
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


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def ports(lines: list[str]) -> list[int]:
    return [int(line.rpartition(":")[2]) for line in lines if " listens on " in line]


TINY = ("--kv-shape", "2,2,16,2,4")


class TestProcesses:
    def test_each_rank_is_a_process_with_metrics_loggers_and_threads_of_its_own(self, config: Path) -> None:
        with served("--config", str(config), "--workers", "2", *TINY) as (process, lines):
            urls = [line.partition(" on ")[2] for line in lines[:3]]
            assert len(children(process.pid)) == 3
            httpx.put(f"{urls[1]}/loglevel?logger_name=lmcache&level=ERROR").raise_for_status()
            httpx.post(f"{urls[1]}/cache/store?tokens_mock=5000,5016").raise_for_status()
            assert [httpx.get(f"{url}/loglevel?logger_name=lmcache").text for url in urls] == [
                "lmcache: NOTSET",
                "lmcache: ERROR",
                "lmcache: NOTSET",
            ]
            stored = "lmcache:num_stored_tokens_total"
            texts = [httpx.get(f"{url}/metrics", params={"name[]": stored}).text for url in urls]
            assert [line.split()[-1] for text in texts for line in text.splitlines() if line.startswith(stored)] == [
                "144.0",
                "128.0",
            ]

    def test_the_scheduler_looks_tokens_up_in_the_workers(self, config: Path) -> None:
        with served("--config", str(config), "--workers", "2", *TINY) as (_, lines):
            url, name = lines[2].partition(" on ")[2], "lmcache:num_lookup_hits_total"

            def hits() -> str:
                return httpx.get(f"{url}/metrics", params={"name[]": name}).text

            assert eventually(lambda: hits().endswith(" 192.0\n"), 10), hits()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_nothing_is_left_when_the_parent_ends(self, config: Path, tmp_path: Path, number: signal.Signals) -> None:
        prefix = tmp_path / "sockets" / "socket"
        with config.open("a") as file:
            file.write(f"internal_api_server_socket_path_prefix: {prefix}\n")
        with served("--config", str(config), "--workers", "2", *TINY) as (process, _):
            ranks = children(process.pid)
            assert len(list(prefix.parent.glob("socket_*"))) == len(ranks) == 3
            process.send_signal(number)
            assert process.wait(10) == (-number if number == signal.SIGKILL else 0)
            assert eventually(lambda: not any(map(lives, ranks)), 10)
            assert eventually(lambda: not list(prefix.parent.glob("socket_*")), 10)

    def test_ctrl_c_on_a_terminal_reaches_all_and_ends_them_cleanly(self, config: Path) -> None:
        with served("--config", str(config), *TINY, start_new_session="yes") as (process, _):
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(10) == 0

    def test_a_rank_that_hangs_is_killed_with_the_others(self, config: Path) -> None:
        with served("--config", str(config), *TINY) as (process, _):
            ranks = children(process.pid)
            os.kill(ranks[1], signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)  # A second one does not wait for it.
            assert process.wait(10) == 0
            assert not any(map(lives, ranks))

    @pytest.mark.parametrize(
        ("number", "words"), [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGTERM, "exit status 0")]
    )
    def test_a_rank_that_ends_is_named_and_the_others_go_on(
        self, config: Path, number: signal.Signals, words: str
    ) -> None:
        with served("--config", str(config), "--workers", "2", *TINY) as (process, lines):
            assert process.stdout is not None
            worker = children(process.pid)[1]
            os.kill(worker, number)
            assert process.stdout.readline() == f"Worker 0 (process {worker}) ended: {words}\n"
            assert httpx.get(f"http://127.0.0.1:{ports(lines)[2]}/livez").status_code == 200

    def test_when_the_last_one_has_ended_it_ends_with_status_1(self, config: Path) -> None:
        with served("--config", str(config), *TINY) as (process, _):
            for rank in children(process.pid):
                os.kill(rank, signal.SIGKILL)
            assert process.wait(10) == 1

    def test_all_ports_in_use_are_named_before_anything_starts(self, config: Path) -> None:
        port = int(config.read_text().split("port_start: ")[1].split()[0])
        with (
            socket.create_server(("127.0.0.1", port + 1)),
            socket.create_server(("127.0.0.1", port + 3)),
            served("--config", str(config), "--workers", "4", *TINY) as (process, lines),
        ):
            assert process.wait(10) == 1
            assert lines == []
        result = run("serve", "--config", str(config), "--workers", "0")
        assert result.exit_code == 2


class TestMemory:
    def usage(self, config: Path, *arguments: str) -> list[float]:
        """GiB of the hot cache of each worker, by its configuration."""
        with served("--config", str(config), *arguments) as (_, lines):
            urls = [line.partition(" on ")[2] for line in lines if line.startswith("Worker")]
            return [httpx.get(f"{url}/conf?names=max_local_cpu_size").json()["max_local_cpu_size"] for url in urls]

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
            "256 MiB for 64 workers are too little for chunks of 1769472 bytes; give --memory 1728 or" in result.stderr
        )


GREETING = """
from flask import Blueprint

router = Blueprint("greeting", __name__)


@router.get("/greeting")
def greeting() -> str:
    return "{text}"
"""


class TestReload:
    @pytest.fixture
    def plugins(self, tmp_path: Path, config: Path) -> Path:
        directory = tmp_path / "plugins"
        directory.mkdir()
        (directory / "greeting_api.py").write_text(GREETING.format(text="one"))
        extra = {"internal_api_server_plugin_dirs": [str(directory)]}
        config.write_text(config.read_text() + f"extra_config: {json.dumps(extra)}\n")
        return directory

    def test_a_changed_plugin_is_served_and_a_broken_one_is_named(self, config: Path, plugins: Path) -> None:
        file = plugins / "greeting_api.py"
        with served("--config", str(config), "--reload", *TINY) as (process, lines):
            assert process.stdout is not None
            url = f"http://127.0.0.1:{ports(lines)[1]}/greeting"
            assert httpx.get(url).text == "one"

            file.write_text(GREETING.format(text="two"))
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == "Serving again.\n"
            assert httpx.get(url).text == "two"

            file.write_text("raise ValueError('first\\nsecond')")
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == (
                "greeting_api.py is not served: it fails to import: ValueError: first second\n"
            )
            assert process.stdout.readline() == "Serving again.\n"
            assert httpx.get(url).status_code == 404

            file.write_text(GREETING.format(text="three"))
            (plugins / "help.py").write_text("")
            while process.stdout.readline() != "Serving again.\n":
                pass
            assert eventually(lambda: httpx.get(url).text == "three")
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0

    def test_a_plugin_that_ends_its_process_is_waited_for(self, config: Path, plugins: Path) -> None:
        file = plugins / "greeting_api.py"
        with served("--config", str(config), "--reload", *TINY) as (process, lines):
            assert process.stdout is not None
            file.write_text("import os\nos._exit(3)")
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline().endswith(": it ended before it served\n")
            file.write_text(GREETING.format(text="two"))
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == "Serving again.\n"
            assert httpx.get(f"http://127.0.0.1:{ports(lines)[1]}/greeting").text == "two"

    def test_without_it_nothing_is_restarted(self, config: Path, plugins: Path) -> None:
        with served("--config", str(config), *TINY) as (process, _):
            ranks = children(process.pid)
            (plugins / "greeting_api.py").write_text(GREETING.format(text="two"))
            time.sleep(1)
            assert children(process.pid) == ranks

    def test_a_broken_plugin_is_named_at_the_start(self, config: Path, plugins: Path) -> None:
        (plugins / "greeting_api.py").write_text("import nowhere")
        with served("--config", str(config), *TINY) as (_, lines):
            assert (
                "greeting_api.py is not served: it fails to import: ModuleNotFoundError: No module named 'nowhere'"
                in (lines)
            )


def test_which_files_count_as_changed(tmp_path: Path) -> None:
    package, other = tmp_path / "helpers", tmp_path / "data"
    for directory in (package, other):
        directory.mkdir()
    for path in (tmp_path / "a_api.py", tmp_path / "b_api.py", package / "__init__.py", other / "script.py"):
        path.write_text("")
    files = PluginFiles([tmp_path, tmp_path / "missing"])
    assert files.changed() == []
    (tmp_path / "a_api.py").write_text("x = 1")
    (tmp_path / "b_api.py").unlink()
    (package / "new.py").write_text("")
    (other / "script.py").write_text("x = 1")
    (tmp_path / "notes.txt").write_text("")
    assert files.changed() == ["a_api.py", "b_api.py", "new.py"]
    assert files.changed() == []
