"""The command line on systems other than Linux, simulated: what macOS or Windows lack is missing.

No test runs on macOS or Windows. These tests run each command in a process without the modules and functions of Linux,
so that an import of them fails as it does there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import READING, arguments, leaves
from tests.cli.conftest import Fleet
from tests.support import ROOT

MODULES = ("termios", "tty", "pty", "fcntl", "resource", "pwd", "grp", "ctypes", "_ctypes", "crypt", "syslog")
NAMES = {
    "select": ("epoll", "poll"),
    "socket": ("AF_UNIX", "SO_PEERCRED"),
    "signal": ("SIGCHLD", "SIGKILL", "SIGHUP", "SIGUSR1", "pthread_sigmask"),
    "os": ("fork", "register_at_fork", "geteuid", "getuid", "getgid", "sched_getaffinity", "sysconf", "O_DIRECTORY"),
}
_PROGRAM = f"""
import importlib, sys
for name in {MODULES}:
    sys.modules[name] = None
for name, missing in {NAMES}.items():
    for attribute in missing:
        delattr(importlib.import_module(name), attribute)
"""
_RUN = f"{_PROGRAM}\nfrom lmcache_internal.cli import main\nmain(sys.argv[1:])"
_HELP = f"""{_PROGRAM}
from lmcache_internal.cli import main
for line in sys.stdin.read().splitlines():
    main([*line.split(), "--help"], standalone_mode=False)
"""


def _run(program: str, *given: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")}
    return subprocess.run(
        [sys.executable, "-c", program, *given],
        cwd=ROOT,
        env=environment | variables,
        input=text,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("module", MODULES[:7])
def test_modules_are_really_missing(module: str) -> None:
    assert "ModuleNotFoundError" in _run(f"{_PROGRAM}\nimport {module}").stderr


def test_every_command_shows_its_help() -> None:
    commands = [path for path, _ in leaves()]
    done = _run(_HELP, text="\n".join(" ".join(path) for path in commands))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage:") == len(commands)


# A process takes one profile at a time, and the servers of this fleet share one.
@pytest.mark.parametrize("command", [command for command in READING if command != "threads --samples 2"])
def test_reading_commands_reach_servers(command: str, shared_fleet: Fleet, tmp_path: Path) -> None:
    done = _run(_RUN, *arguments(command, tmp_path), "--config", str(shared_fleet.config))
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert done.stdout or done.stderr


def test_conf_set_changes_servers(shared_fleet: Fleet) -> None:
    done = _run(_RUN, "conf", "set", "pin_timeout_sec=61", "--yes", "--all", "--config", str(shared_fleet.config))
    assert done.returncode == 0, done.stderr
    assert [manager.config.pin_timeout_sec for manager in shared_fleet.managers.values()] == [61] * 5


@pytest.mark.parametrize(
    ("given", "variables", "reason"),
    [
        (["status", "--socket", "/run/x_7000"], {}, "this system has none; use --url"),
        (["status", "--socket", "/run/x_7000"], {"LMCACHE_INTERNAL_TOKEN": "t"}, "the token was not sent; use --url"),
        (["status", "--url", "http://127.0.0.1:9", "--peer-user", "root"], {}, "This system has no user ids"),
        (["token", "new", "--name", "a", "--role", "viewer", "--file", "t.yaml"], {}, "no file locks"),
    ],
)
def test_what_needs_the_system_of_the_server_says_so(given: list[str], variables: dict[str, str], reason: str) -> None:
    done = _run(_RUN, *given, **variables)
    assert done.returncode == 1
    assert reason in " ".join(f"{done.stdout} {done.stderr}".split())
    assert "Traceback" not in done.stderr
