"""`backends`, `bypass`, `freeze`, `hot-cache` and `cache`: what workers do, on a fleet of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.engine.embedded.storage_manager import EmbeddedStorageManager
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.conftest import DEAD, HANGING, Fleet, StartFleet
from tests.cli.terminal import terminal
from tests.support import free_port, make_manager, server_values

CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """The shared fleet; its workers hold 32 tokens in memory."""
    for index in range(1, 5):
        shared_fleet.managers[index].require_engine().store(list(range(32)))
    yield shared_fleet
    for index in range(1, 5):
        engine = shared_fleet.managers[index].require_engine()
        shared_fleet.managers[index].config.local_disk = None
        storage(shared_fleet, index).close_backend(DISK)
        storage(shared_fleet, index).create_backends()
        for name in (CPU, DISK):
            storage(shared_fleet, index).set_backend_bypass(name, False)
        engine.freeze(False)
        engine.set_hot_cache(True)
        engine.clear()


def storage(fleet: Fleet, index: int) -> EmbeddedStorageManager:
    found = fleet.managers[index].require_engine().storage_manager
    assert found is not None
    return found


def held(fleet: Fleet) -> list[int]:
    """The tokens that each worker has in memory."""
    return [fleet.managers[index].require_engine().lookup(list(range(32))) for index in range(1, 5)]


def rows(result: Result) -> list[list[str]]:
    """The cells beside a worker's address, without the heading."""
    return [line.split()[4:] for line in result.stdout.splitlines()[1:]]


class TestWhoIsAsked:
    @pytest.mark.parametrize(
        "command",
        [["backends"], ["bypass"], ["freeze"], ["hot-cache"], ["cache", "store", "--tokens", "0:16", "--all"]],
    )
    def test_workers_alone(self, fleet: Fleet, command: list[str]) -> None:
        assert [entry["index"] for entry in fleet.json(*command)] == [1, 2, 3, 4]

    def test_the_scheduler_where_it_is_named(self, fleet: Fleet) -> None:
        result = fleet.run("freeze", "on", "--index", "0,1")
        assert result.exit_code == 1
        assert "HTTP 503: LMCache engine not configured." in result.stdout.splitlines()[1]
        assert rows(result)[1] == ["on"]

    def test_no_worker_at_all(self, tmp_path: Path) -> None:
        config = tmp_path / "lmcache.yaml"
        config.write_text(f"internal_api_server_port_start: {free_port()}\ninternal_api_server_include_index_list: [0]")
        result = CliRunner().invoke(main, ["backends", "--config", str(config)])
        assert result.exit_code == 2
        assert "There is no worker among the servers" in result.stderr

    @pytest.mark.parametrize(
        "command",
        [
            ["backends", "close", CPU, "--yes"],
            ["backends", "create"],
            ["backends", "recreate", CPU, "--yes"],
            ["bypass", "add", CPU],
            ["bypass", "remove", CPU],
            ["freeze", "on"],
            ["freeze", "off"],
            ["hot-cache", "on"],
            ["hot-cache", "off", "--yes"],
            ["cache", "clear", "--yes"],
            ["cache", "store", "--tokens", "0:16"],
            ["cache", "retrieve", "--tokens", "0:16"],
        ],
    )
    def test_for_a_change_several_must_be_named(self, fleet: Fleet, command: list[str]) -> None:
        result = fleet.run(*command)
        assert result.exit_code == 2
        assert "This changes 4 servers. Add --all" in result.stderr

    def test_those_that_answer_are_changed(self, ailing: Fleet) -> None:
        result = ailing.run("freeze", "on", "--all", "--timeout", "4")
        assert result.exit_code == 1
        assert "cannot connect: Connection refused" in result.stdout.splitlines()[DEAD]
        assert "no answer within 4 s" in result.stdout.splitlines()[HANGING]
        assert [ailing.managers[index].require_engine().is_frozen() for index in (1, 3)] == [True, True]


class TestConsent:
    @pytest.mark.parametrize(
        "command",
        [["backends", "close", CPU], ["backends", "recreate", CPU], ["hot-cache", "off"], ["cache", "clear"]],
    )
    def test_what_destroys_needs_a_yes(self, fleet: Fleet, command: list[str]) -> None:
        for options in ([], ["--json"]):
            result = fleet.run(*command, "--all", *options, input="y\n")
            assert result.exit_code == 2
            assert bool(result.stdout) == bool(options)
            assert "Add --yes" in result.stderr
        assert held(fleet) == [32] * 4

    def test_on_a_terminal_it_asks(self, fleet: Fleet) -> None:
        for key, exit_code, left in [(b"n\n", 1, 32), (b"y\n", 0, 0)]:
            with terminal(fleet, "cache", "clear", "--index", "1,3") as person:
                person.wait_for("Drop the chunks in memory on 2 servers? [y/N]")
                person.press(key)
                assert person.wait_for_exit() == exit_code
            assert held(fleet) == [left, 32, left, 32]

    def test_on_a_terminal_it_does_not_ask_programs(self, fleet: Fleet) -> None:
        with terminal(fleet, "cache", "clear", "--all", "--json") as person:
            person.wait_for("Add --yes")
            assert person.wait_for_exit() == 2


class TestBackends:
    def test_list_is_the_default(self, fleet: Fleet) -> None:
        assert rows(fleet.run("backends")) == rows(fleet.run("backends", "list")) == [[CPU]] * 4
        assert fleet.json("backends", "--index", "2")[0]["data"] == {"backends": {CPU: CPU}}

    def test_create_recreate_and_close(self, fleet: Fleet, tmp_path: Path) -> None:
        for index in (1, 2):
            fleet.managers[index].config.local_disk = str(tmp_path / str(index))
            fleet.managers[index].config.max_local_disk_size = 0.01
        assert rows(fleet.run("backends", "create", "--all")) == [[DISK, f"{CPU},", DISK]] * 2 + [["-", CPU]] * 2
        assert rows(fleet.run("backends", "recreate", DISK, "--index", "1", "--yes"))[0][0] == DISK
        result = fleet.run("backends", "close", DISK, "--all", "--yes")
        assert result.exit_code == 1
        assert rows(result)[0] == [CPU]
        assert f"HTTP 404: Backend {DISK} not found" in result.stdout.splitlines()[3]
        assert [list(storage(fleet, index).list_backends()) for index in range(1, 5)] == [[CPU]] * 4

    def test_a_name_is_no_path(self, fleet: Fleet) -> None:
        result = fleet.run("backends", "close", "../freeze/enable?x=1", "--index", "1", "--yes")
        assert result.exit_code == 1
        assert "HTTP 404" in result.stdout


class TestBypass:
    def test_list_add_and_remove(self, fleet: Fleet) -> None:
        assert rows(fleet.run("bypass")) == [["-", CPU]] * 4
        assert rows(fleet.run("bypass", "add", CPU, "--index", "1-2")) == [[CPU]] * 2
        assert [entry["data"]["bypassed"] for entry in fleet.json("bypass", "list")] == [[CPU], [CPU], [], []]
        assert held(fleet) == [0, 0, 32, 32]
        assert rows(fleet.run("bypass", "remove", CPU, "--all")) == [["-"]] * 4

    def test_an_unknown_backend_is_told_with_the_known_ones(self, fleet: Fleet) -> None:
        result = fleet.run("bypass", "add", "Nope", "--index", "1")
        assert result.exit_code == 1
        assert f"No backend 'Nope'; known backends: {CPU}" in result.stdout


class TestSwitches:
    def test_freeze(self, fleet: Fleet) -> None:
        assert rows(fleet.run("freeze", "on", "--index", "1,2")) == [["on"]] * 2
        assert rows(fleet.run("freeze")) == rows(fleet.run("freeze", "status")) == [["on"], ["on"], ["off"], ["off"]]
        assert fleet.json("freeze", "off", "--all")[0]["data"] == {"freeze": False}
        assert not fleet.managers[1].require_engine().is_frozen()

    def test_hot_cache(self, fleet: Fleet) -> None:
        assert rows(fleet.run("hot-cache", "off", "--index", "1", "--yes")) == [["off"]]
        assert rows(fleet.run("hot-cache")) == [["off"], ["on"], ["on"], ["on"]]
        assert held(fleet) == [0, 32, 32, 32]
        assert fleet.json("hot-cache", "on", "--all")[0]["data"] == {"hot_cache": True}

    def test_what_the_engine_does_not_take_is_told(self, fleet: Fleet) -> None:
        storage(fleet, 1).close_backend(CPU)
        result = fleet.run("hot-cache", "on", "--index", "1")
        assert result.exit_code == 1
        assert "HTTP 409" in result.stdout

    def test_another_word_is_a_usage_error(self, fleet: Fleet) -> None:
        assert fleet.run("freeze", "maybe", "--all").exit_code == 2


class TestCache:
    def test_store_retrieve_and_clear(self, fleet: Fleet) -> None:
        why = "only whole chunks are stored (tokens left over: 8)"
        stored = fleet.json("cache", "store", "--tokens", "100:140", "--all")
        assert [entry["data"] for entry in stored] == [{"tokens": 40, "stored": 32, "reason": why}] * 4
        fleet.managers[1].require_engine().freeze(True)
        assert "0       frozen" in fleet.run("cache", "store", "--tokens", "900:932", "--index", "1").stdout
        assert rows(fleet.run("cache", "retrieve", "--tokens", "100:140", "--all")) == [["40", "32"]] * 4
        assert rows(fleet.run("cache", "clear", "--index", "1", "--yes")) == [["64"]]
        assert fleet.json("cache", "retrieve", "--tokens", "100:140", "--index", "1")[0]["data"]["retrieved"] == 0
        assert held(fleet) == [0, 32, 32, 32]

    def test_a_location_is_chosen(self, fleet: Fleet) -> None:
        result = fleet.run("cache", "clear", "--location", CPU, "--location", "Nope", "--index", "1", "--yes")
        assert result.exit_code == 1
        assert f"There is no backend Nope to clear; there are: {CPU}" in result.stdout
        assert held(fleet)[0] == 32
        assert fleet.run("cache", "clear", "--location", CPU, "--index", "1", "--yes").exit_code == 0
        assert held(fleet)[0] == 0

    @pytest.mark.parametrize(
        "tokens", ["", "5", "5:5", "9:5", "a:b", "0:-1", "0;5", "0:5:6", "0,5:6", "\u0660:\u0665", "0:" + "9" * 99]
    )
    def test_what_is_no_range_is_a_usage_error(self, fleet: Fleet, tokens: str) -> None:
        result = fleet.run("cache", "store", "--tokens", tokens, "--all")
        assert result.exit_code == 2
        assert "Invalid value for '--tokens'" in result.stderr

    def test_a_range_that_is_too_long_is_a_usage_error(self, fleet: Fleet) -> None:
        result = fleet.run("cache", "store", "--tokens", "0:999999999999", "--index", "1")
        assert result.exit_code == 2
        assert "at most 1048576 tokens" in result.stderr

    @pytest.mark.parametrize("tokens", ["100:140", "100,140", " 100 , 140 "])
    def test_a_range_is_written_with_a_colon_or_a_comma(self, fleet: Fleet, tokens: str) -> None:
        assert rows(fleet.run("cache", "store", "--tokens", tokens, "--index", "1"))[0][:2] == ["40", "32"]


def test_over_a_unix_socket(tmp_path: Path) -> None:
    with make_manager(**server_values("unix", tmp_path)) as manager, InternalAPIServer(manager) as server:
        result = CliRunner().invoke(main, ["freeze", "on", "--socket", str(server.socket_path), "--json"])
        assert manager.require_engine().is_frozen()
    assert json.loads(result.stdout)[0]["data"] == {"freeze": True}


def test_an_operator_may_and_a_viewer_may_not(start_fleet: StartFleet, tmp_path: Path) -> None:
    made = {level: new_token(str(level), level) for level in (Role.VIEWER, Role.OPERATOR)}
    path = tmp_path / "tokens.yaml"
    write_tokens_file(path, [entry for _, entry in made.values()])
    fleet = start_fleet(without=(0, 2, 3, 4), extra_config={"internal_api_server_tokens_file": str(path)})
    for level, exit_code, message in [(Role.VIEWER, 1, "Requires role operator"), (Role.OPERATOR, 0, "on")]:
        env = {"LMCACHE_INTERNAL_TOKEN": made[level][0]}
        result = fleet.run("freeze", "on", "--index", "1", env=env)
        assert result.exit_code == exit_code
        assert message in result.stdout
    assert "the token is refused" in fleet.run(
        "freeze", "off", "--index", "1", env={"LMCACHE_INTERNAL_TOKEN": "lmci_x"}
    ).stdout  # fmt: skip
    assert fleet.managers[1].require_engine().is_frozen()
