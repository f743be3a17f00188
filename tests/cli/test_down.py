"""What commands say if servers are down, refuse, or cannot be found."""

from __future__ import annotations

import gc
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import fleet as servers
from lmcache_internal.cli import main
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.commands import ALL, CHANGING, READING, arguments, entries
from tests.cli.conftest import Fleet
from tests.cli.terminal import terminal
from tests.support import free_port, make_manager

HINT = "; is the engine running, and internal_api_server_enabled true?"


def run(*given: str, **variables: str | None) -> Result:
    return CliRunner().invoke(main, given, env={"LMCACHE_CONFIG_FILE": None, **variables})


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


class Down:
    """A configuration of servers that do not run.

    Attributes:
        port: the first port.
        config: the YAML, which does not say how many ranks there are.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port(8)
        self.config = directory / "lmcache.yaml"
        self.values: dict[str, Any] = {"internal_api_server_port_start": self.port}
        self.write()

    def write(self, **values: Any) -> None:
        self.config.write_text(yaml.safe_dump(self.values | values))

    def run(self, *given: str) -> Result:
        return run(*given, "--config", str(self.config))


@pytest.fixture
def down(tmp_path: Path) -> Down:
    return Down(tmp_path)


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize("listed", [[], [1, 3]])
def test_every_command_says_first_that_no_server_answers(
    down: Down, tmp_path: Path, command: str, listed: list[int]
) -> None:
    if listed:
        down.write(internal_api_server_include_index_list=listed)
    ports = f"{down.port + 1},{down.port + 3}" if listed else f"{down.port}-{down.port + 7}"
    result = down.run(*arguments(command, tmp_path), *(["--all"] if command in CHANGING else []))
    told = result.stderr or result.output
    assert result.exit_code == 1, result.output
    assert told.removeprefix("Error: ").startswith(f"No server answers on ports {ports}{HINT}")


@pytest.mark.parametrize("command", ["status", "conf get", "get /meta", "top"])
def test_the_rows_are_in_order(down: Down, command: str) -> None:
    found = strict(down.run(*command.split(), "--json").stdout)
    assert [entry["index"] for entry in found] == list(range(8))
    assert {entry["error"] for entry in found} == {"cannot connect: Connection refused"}


def test_a_change_needs_the_number_of_ranks(down: Down) -> None:
    result = down.run("conf", "set", "a=1", "--all", "--yes")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "The number of ranks is unknown. Choose the ranks, as in --index 0-4.",
        "Nothing was changed.",
    ]


# httpcore leaves a Unix socket open that it could not connect; it must not be found while another test runs.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("command", ALL)
def test_json_is_valid_whatever_fails(down: Down, tmp_path: Path, command: str) -> None:
    given = arguments(command, tmp_path)
    failing = [
        [*given, "--config", str(down.config)],
        [*given, "--config", "/no/such.yaml"],
        [*given, "--config", str(down.config), "--url", "http://127.0.0.1:1"],
        [*given, "--url", "http://127.0.0.1:1"],
        [*given, "--url", "no url at all"],
        [*given, "--socket", str(tmp_path / "none")],
        [*given, "--targets", str(down.config)],
        [*given, "--index", "x"],
        [*given, "--no-such-option"],
        [*given, "--bearer-token-file", "/no/such/file"],
        [*given[:-1]] if len(given) > 1 else [*given, "unexpected", "arguments", "of", "all", "sorts"],
    ]
    for each in failing:
        result = run("--json", *each, LMCACHE_CONFIG_FILE=str(down.config))
        assert result.exit_code != 0 or "token-file" in each or each == given[:-1], (each, result.output)
        found = [strict(text) for text in (result.stdout.splitlines() if given[0] == "top" else [result.stdout])]
        assert all(isinstance(entry["ok"], bool) for document in found for entry in entries(document)), each
    gc.collect()


@pytest.mark.parametrize("given", ["--json", "--json nothing", "conf --json", "conf nothing --json", "serve --json"])
def test_json_is_valid_without_a_command(given: str) -> None:
    result = run(*given.split())
    assert result.exit_code == 2
    assert strict(result.stdout)[0]["ok"] is False


def test_json_is_valid_after_ctrl_c(down: Down, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(servers.Fleet, "each", interrupt)
    result = down.run("status", "--json")
    assert result.exit_code == 1
    assert strict(result.stdout)[0]["error"] == "Interrupted."


class TestRefusals:
    @pytest.fixture
    def one_refuses(self, tmp_path: Path) -> Iterator[Down]:
        """Worker 1 wants a token; nothing else runs."""
        path = tmp_path / "tokens.yaml"
        write_tokens_file(path, [new_token("a", Role.VIEWER)[1]])
        down = Down(tmp_path)
        values: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": down.port}
        extra = {"internal_api_server_token_file": str(path)}
        with ExitStack() as stack:
            manager = stack.enter_context(make_manager(worker_id=1, **values, extra_config=extra))
            stack.enter_context(InternalAPIServer(manager))
            yield down

    @pytest.mark.parametrize("command", READING)
    def test_a_401_is_not_hidden_among_refused_connections(
        self, one_refuses: Down, tmp_path: Path, command: str
    ) -> None:
        result = one_refuses.run(*arguments(command, tmp_path))
        first = result.stderr.splitlines()[0]
        assert result.exit_code == 1
        assert first.startswith(f"worker 1 (http://127.0.0.1:{one_refuses.port + 2}): HTTP 401: ")
        assert "LMCACHE_INTERNAL" in first

    def test_the_servers_up_to_the_last_that_answers_are_shown(self, one_refuses: Down) -> None:
        found = strict(one_refuses.run("status", "--json").stdout)
        assert [entry["index"] for entry in found] == [0, 1, 2]
        assert "HTTP 401" in found[2]["error"]

    def test_with_a_list_of_ranks_it_is_told_before_the_refused_connections(self, one_refuses: Down) -> None:
        one_refuses.write(internal_api_server_include_index_list=list(range(7)))
        lines = one_refuses.run("conf", "get").stderr.splitlines()
        assert "HTTP 401" in lines[0]
        assert lines[1] == "scheduler, workers 0,2-5: cannot connect: Connection refused"


def test_a_bundle_is_made_although_no_server_answers(down: Down, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    result = down.run("bundle", "-o", str(path))
    assert result.exit_code == 1
    with zipfile.ZipFile(path) as archive:
        servers = json.loads(archive.read("manifest.json"))["servers"]
    assert [server["index"] for server in servers.values()] == list(range(8))
    assert {server["error"] for server in servers.values()} == {"cannot connect: Connection refused"}


def test_a_bundle_keeps_what_it_has_if_a_server_goes_down(tmp_path: Path) -> None:
    """The server closes the connection after the first answers."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number in range(4):
                connection, _ = listener.accept()
                if number == 3:  # Before the last response, after which the command connects again.
                    listener.close()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        path = tmp_path / "bundle.zip"
        result = run("bundle", "-o", str(path), "--url", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert "1 of 1 servers" in result.stderr
    with zipfile.ZipFile(path) as archive:
        (server,) = json.loads(archive.read("manifest.json"))["servers"].values()
        assert len(archive.namelist()) == 6  # The manifest, the doctor's report as JSON and text, and three responses.
    assert "cannot connect" in server["missing"]["metrics.txt"]


def test_top_waits_for_servers(tmp_path: Path) -> None:
    class Starting(Fleet):
        """A fleet whose file does not say how many ranks there are."""

    fleet = Starting(tmp_path)
    del fleet.values["internal_api_server_include_index_list"]
    fleet.config.write_text(yaml.safe_dump(fleet.values))
    with ExitStack() as stack, terminal(fleet, "top", "--interval", "0.2") as top:
        top.wait_for("No server answers on ports")
        top.wait_for("Waiting.")
        for worker in range(2):
            manager = stack.enter_context(make_manager(worker_id=worker, **fleet.values))
            stack.enter_context(InternalAPIServer(manager))
        top.wait_for("2 of 3 servers")
        top.press(b"q")
        assert top.wait_for_exit() == 0


@pytest.mark.parametrize("command", ["quota", "objects list"])
def test_commands_for_mp_servers_ask_whether_one_runs(command: str) -> None:
    result = run(*command.split(), "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "is `lmcache server` running?" in result.stderr
