"""The processes of `serve`: they end together, are restarted together, and 65 of them stay cheap."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmcache_internal.cli.serve_plugins import PluginFiles
from tests.cli.serving import TINY, children, config_file, get, ports, served
from tests.docs.processes import lives
from tests.support import ROOT, eventually, free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, free_port(8))


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_nothing_is_left_when_the_parent_ends(self, config: Path, tmp_path: Path, number: signal.Signals) -> None:
        prefix = tmp_path / "sockets" / "socket"
        with config.open("a") as file:
            file.write(f"internal_api_server_socket_path_prefix: {prefix}\n")
        with served("--config", str(config), "--workers", "2", *TINY) as (process, _):
            ranks = children(process.pid)
            assert len(list(prefix.parent.glob("socket_*"))) == len(ranks) == 3
            process.send_signal(number)
            assert process.wait(60) == (-number if number == signal.SIGKILL else 0)
            assert eventually(lambda: not any(map(lives, ranks)))
            assert eventually(lambda: not list(prefix.parent.glob("socket_*")))

    def test_ctrl_c_on_a_terminal_reaches_all_and_ends_them_cleanly(self, config: Path) -> None:
        with served("--config", str(config), *TINY, start_new_session="yes") as (process, _):
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 0

    def test_a_rank_that_hangs_is_killed_with_the_others(self, config: Path) -> None:
        with served("--config", str(config), *TINY) as (process, _):
            ranks = children(process.pid)
            os.kill(ranks[1], signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)  # A second one does not wait for it.
            assert process.wait(60) == 0
            assert eventually(lambda: not any(map(lives, ranks)))

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
            assert get(f"http://127.0.0.1:{ports(lines)[2]}/livez").status_code == 200

    def test_when_the_last_one_has_ended_it_ends_with_status_1(self, config: Path) -> None:
        with served("--config", str(config), *TINY) as (process, _):
            for rank in children(process.pid):
                os.kill(rank, signal.SIGKILL)
            assert process.wait(60) == 1

    def test_all_ports_in_use_are_named_before_anything_starts(self, config: Path) -> None:
        port = int(config.read_text().split("port_start: ")[1].split()[0])
        with (
            socket.create_server(("127.0.0.1", port + 1)),
            socket.create_server(("127.0.0.1", port + 3)),
            served("--config", str(config), "--workers", "4", *TINY) as (process, lines),
        ):
            assert process.wait(60) == 1
            assert lines == []


GREETING = """
from flask import Blueprint

router = Blueprint("greeting", __name__)


@router.get("/greeting")
def greeting() -> str:
    return "{text}"
"""


def replace(file: Path, text: str) -> None:
    """Change a file at once: a test that is interrupted while it writes would change it twice."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


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
            assert get(url).text == "one"

            replace(file, GREETING.format(text="two"))
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == "Serving again.\n"
            assert get(url).text == "two"

            replace(file, "raise ValueError('first\\nsecond')")
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == (
                "greeting_api.py is not served: it fails to import: ValueError: first second\n"
            )
            assert process.stdout.readline() == "Serving again.\n"
            assert get(url).status_code == 404

            replace(file, GREETING.format(text="three"))
            (plugins / "help.py").write_text("")
            while process.stdout.readline() != "Serving again.\n":
                pass
            assert eventually(lambda: get(url).text == "three")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0

    def test_a_plugin_that_ends_its_process_is_waited_for(self, config: Path, plugins: Path) -> None:
        file = plugins / "greeting_api.py"
        with served("--config", str(config), "--reload", *TINY) as (process, lines):
            assert process.stdout is not None
            replace(file, "import os\nos._exit(3)")
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline().endswith(": the process ended before it served\n")
            replace(file, GREETING.format(text="two"))
            assert process.stdout.readline() == "Reloading: greeting_api.py changed.\n"
            assert process.stdout.readline() == "Serving again.\n"
            assert get(f"http://127.0.0.1:{ports(lines)[1]}/greeting").text == "two"

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


def memory(process: int) -> int:
    """Bytes that a process has, its part of the shared ones included."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def cli_seconds(*arguments: str) -> float:
    """Wall time of a command."""
    command = [sys.executable, "-m", "lmcache_internal.cli", *arguments]
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def test_65_ranks_take_little_memory_and_answer_soon(tmp_path: Path) -> None:
    config = config_file(tmp_path, free_port(65))
    started = time.monotonic()
    with served("--config", str(config), "--workers", "64", "--traffic") as (process, lines):
        assert time.monotonic() - started < 240
        assert len(ports(lines)) == 65
        # Measured: 13 MiB a rank with its share of the 256 MiB; the bounds are for slow and busy machines.
        assert sum(map(memory, [process.pid, *children(process.pid)])) < 2 << 30
        interpreter = cli_seconds("--version")
        where = ("--config", str(config), "--timeout", "60")
        assert min(cli_seconds("status", *where) for _ in range(3)) - interpreter < 20
        assert cli_seconds("metrics", *where) < 60
        assert cli_seconds("bundle", *where, "--output", str(tmp_path / "bundle.tgz")) < 120
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
