"""`status` and `get`, over a fleet that is well and over one that is not."""

from __future__ import annotations

import time

import pytest

from lmcache_internal.cli.server_health import reasons
from tests.cli.conftest import DEAD, HANGING, Fleet


def test_a_row_for_each_server(fleet: Fleet) -> None:
    fleet.managers[3].require_engine().store(list(range(64)))
    fleet.managers[3].require_engine().retrieve(list(range(128)))
    result = fleet.run("status")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == [
        "INDEX",
        "ROLE",
        "ADDRESS",
        "VERSION",
        "HEALTH",
        "MODE",
        "HIT",
        "RATE",
        "USAGE",
        "UPTIME",
    ]
    assert [line.split()[0] for line in lines[1:]] == ["0", "1", "2", "3", "4"]
    assert "scheduler" in lines[1]
    assert f"worker 2   {fleet.url(3)}" in lines[4]
    assert "50.0 %    " in lines[4]
    assert "50.0 %" not in lines[3]  # The metrics of all five stand in one process.


def test_one_dead_and_one_hanging_take_no_row_away(ailing: Fleet) -> None:
    began = time.monotonic()
    result = ailing.run("status", "--timeout", "4")
    lines = result.stdout.splitlines()
    assert time.monotonic() - began < 30
    assert result.exit_code == 1
    assert lines[0].endswith("ERROR")
    assert "cannot connect: Connection refused" in lines[1 + DEAD]
    assert "no answer within 4 s" in lines[1 + HANGING]
    assert [" ok " in line for line in lines[1:]] == [True, True, False, True, False]


def test_json_has_an_entry_for_each_server(ailing: Fleet) -> None:
    found = ailing.json("status", "--all", "--timeout", "4")
    assert [entry["ok"] for entry in found] == [True, True, False, True, False]
    assert found[0]["role"] == "scheduler"
    assert found[1]["data"]["healthy"] is True
    assert found[1]["data"]["uptime_seconds"] >= 0
    assert found[DEAD] == {
        "index": DEAD,
        "role": f"worker {DEAD - 1}",
        "address": ailing.url(DEAD),
        "ok": False,
        "error": "cannot connect: Connection refused",
    }


def test_one_that_is_not_well_is_shown_and_fails_the_command(fleet: Fleet) -> None:
    storage = fleet.managers[2].require_engine().storage_manager
    assert storage is not None
    storage.close_backend("LocalCPUBackend")
    result = fleet.run("status", "--index", "2")
    assert result.exit_code == 1
    assert "failing 2 " in result.stdout
    assert "backends" not in result.stdout
    assert "failing backends: " in fleet.run("status", "--index", "2", "--verbose").stdout
    data = fleet.json("status", "--index", "2")[0]["data"]
    assert (data["health"], data["healthy"]) == ("failing", False)
    assert "backends" in data["failing"]


def test_reasons_name_the_check_and_how_bad_it_is() -> None:
    data = {"failing": {"engine": "gone"}, "warnings": {"backends": "slow", "tokens": "unread"}}
    assert reasons(data) == ["failing engine: gone", "warning backends: slow", "warning tokens: unread"]


@pytest.mark.parametrize("indices", ["0", "1-3", "0,2-4"])
def test_indices_choose_the_servers(fleet: Fleet, indices: str) -> None:
    expected = {"0": [0], "1-3": [1, 2, 3], "0,2-4": [0, 2, 3, 4]}[indices]
    assert [entry["index"] for entry in fleet.json("status", "--index", indices)] == expected


def test_get_prints_one_answer_as_it_is_and_several_under_their_names(fleet: Fleet) -> None:
    assert fleet.run("get", "/lmc_version", "--index", "1").stdout == '"0.1.0+embedded"\n'
    several = fleet.run("get", "/lmc_version", "--index", "0,1").stdout
    assert f"== scheduler ({fleet.url(0)})" in several
    assert f"== worker 0 ({fleet.url(1)})" in several


def test_get_fails_where_a_server_refuses(fleet: Fleet) -> None:
    result = fleet.run("get", "/backends", "--index", "0,1")
    assert result.exit_code == 1
    assert "HTTP 503: LMCache engine not configured." in result.stderr
    assert "LocalCPUBackend" in result.stdout


def test_modes_have_a_column_and_do_not_fail_the_command(fleet: Fleet) -> None:
    fleet.managers[2].require_engine().freeze(True)
    assert fleet.run("drain", "--index", "2,3", "--reason", "new disk", "--seconds", "600").exit_code == 0
    result = fleet.run("status")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    column = lines[0].index("MODE")
    modes = [line[column:].split()[0] for line in lines[1:]]
    assert modes == ["-", "-", "frozen,drained", "drained", "-"]
    assert [entry["data"]["mode"] for entry in fleet.json("status", "--index", "1-2")] == ["", "frozen,drained"]
    assert "frozen,drained" in fleet.run("top", "--count", "1", "--index", "2").stdout


def test_drain_and_undrain_say_what_is_in_force(fleet: Fleet) -> None:
    lines = fleet.run("drain", "--index", "1", "--reason", "new disk").stdout.splitlines()
    assert lines[0].split() == ["INDEX", "ROLE", "ADDRESS", "DRAINED", "UNTIL", "REASON"]
    assert lines[1].endswith("yes      undrain  new disk")
    assert "HTTP 503" in fleet.run("get", "/readyz", "--index", "1").stderr
    (told,) = fleet.json("undrain", "--index", "1")
    assert told["data"]["drained"] is False
    assert fleet.run("get", "/readyz", "--index", "1").exit_code == 0


def test_a_drain_of_several_needs_all_or_indices(fleet: Fleet) -> None:
    result = fleet.run("drain")
    assert result.exit_code == 2
    assert "--all" in result.stderr
