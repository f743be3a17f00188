"""`status` and `top` for MP servers, ours and LMCache's own, in one fleet with in-process ranks."""

from __future__ import annotations

import copy
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.cli.conftest import Fleet
from tests.cli.mp_fleet import STATUS, LMCache, lmcaches, ours, run, run_json
from tests.security.support import token_file


def test_status_has_the_columns_of_an_mp_server(
    mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache]
) -> None:
    result = run("status", "--url", mp[0], "--url", lmcache[0])
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    columns = "INDEX ROLE ADDRESS VERSION HEALTH MODE HIT RATE L1 L2 ADAPTERS WORKERS SESSIONS UPTIME"
    assert " ".join(lines[0].split()) == columns
    assert " ".join(lines[1].split()).startswith(
        f"- MP server {mp[0]} 0.1.0+embedded ok - - 512 B of 64.0 MiB 512 B 1 1 1 "
    )
    assert " ".join(lines[2].split()) == (
        f"- MP server {lmcache[0]} 0.5.6 ok - 25.0 % 256.0 MiB of 1.0 GiB 2.0 MiB 1 2 3 -"
    )


def test_lmcaches_own_server_gets_six_requests(lmcache: tuple[str, LMCache]) -> None:
    run("status", "--url", lmcache[0])
    paths = [request.partition("?")[0] for request in lmcache[1].asked]
    expected = ["/meta", "/", "/lmc_version", "/healthz", "/status", "/metrics"]
    assert paths == [f"GET {path}" for path in expected]


def test_health_of_lmcaches_own_server_names_the_part(lmcache: tuple[str, LMCache]) -> None:
    status: dict[str, Any] = copy.deepcopy(STATUS)
    status["is_healthy"] = status["storage_manager"]["is_healthy"] = False
    status["storage_manager"]["l2_adapters"][0]["is_healthy"] = False
    lmcache[1].bodies["GET /status"] = status
    result = run("status", "--verbose", "--url", lmcache[0])
    assert result.exit_code == 1
    assert " failing 1 " in result.stdout
    assert " 1, 1 failing " in result.stdout
    assert "failing engine.storage_manager.l2_adapters.0: reports is_healthy: false" in result.stdout


def test_mixed_fleet_has_a_row_for_each_kind(
    shared_fleet: Fleet, mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache], tmp_path: Path
) -> None:
    listed = tmp_path / "targets.json"
    groups = [
        {"targets": [shared_fleet.url(1)], "labels": {"index": "1"}},
        {"targets": [mp[0]], "labels": {"__meta_lmcache_role": "mp_server"}},
        lmcache[0],
    ]
    listed.write_text(json.dumps(groups))
    found = run_json("status", "--targets", str(listed))
    assert [(entry["index"], entry["role"]) for entry in found] == [
        (1, "worker 0"),
        (None, "MP server"),
        (None, "MP server"),
    ]
    assert [entry["data"]["kind"] for entry in found] == ["in-process", "mp", "mp"]
    assert [entry["data"]["health"] for entry in found] == ["ok", "ok", "ok"]
    header, rank, *servers = run("status", "--targets", str(listed)).stdout.splitlines()
    columns = "VERSION HEALTH MODE HIT RATE L1 L2 ADAPTERS WORKERS SESSIONS USAGE UPTIME"
    assert " ".join(header.split()).endswith(columns)
    assert rank.split()[0] == "1"
    assert [" MP server " in line for line in servers] == [True, True]


def test_server_that_is_labeled_as_mp_is_not_asked_what_it_is(lmcache: tuple[str, LMCache], tmp_path: Path) -> None:
    listed = tmp_path / "targets.json"
    listed.write_text(json.dumps([{"targets": [lmcache[0]], "labels": {"__meta_lmcache_role": "mp_server"}}]))
    assert run("status", "--targets", str(listed)).exit_code == 0
    assert "GET /meta?names=role%2Cworker_id" not in lmcache[1].asked
    assert "GET /" not in lmcache[1].asked


def test_top_has_the_rates_of_an_mp_server(lmcache: tuple[str, LMCache]) -> None:
    result = run("top", "--count", "1", "--url", lmcache[0])
    assert result.exit_code == 0
    assert "256.0 MiB of 1.0 GiB" in result.stdout
    assert "REQUESTS/S" in result.stdout
    (entry,) = json.loads(run("top", "--count", "1", "--json", "--url", lmcache[0]).stdout)
    assert entry["data"]["workers"] == 2
    assert entry["data"]["hit_rate_now"] is None


def test_down_mp_servers_are_named_as_such(tmp_path: Path) -> None:
    listed = tmp_path / "targets.json"
    listed.write_text(json.dumps([{"targets": ["127.0.0.1:1"], "labels": {"__meta_lmcache_role": "mp_server"}}]))
    result = run("status", "--targets", str(listed))
    assert result.exit_code == 1
    assert "is `lmcache server` running?" in result.stderr


@pytest.mark.parametrize(
    "command", ["freeze", "backends", "cache clear --yes", "conf diff", "conf history", "conf set a=1"]
)
def test_commands_of_ranks_refuse_mp_servers(lmcache: tuple[str, LMCache], command: str) -> None:
    result = run(*command.split(), "--url", lmcache[0])
    assert result.exit_code == 2
    assert "The command is for in-process engines, and these are MP servers" in result.stderr


@pytest.mark.parametrize("command", ["drain --all", "get /meta"])
def test_missing_endpoint_says_that_this_is_an_mp_server(lmcache: tuple[str, LMCache], command: str) -> None:
    result = run(*command.split(), "--url", lmcache[0])
    assert result.exit_code == 1
    assert "Not Found (MP servers have other endpoints than the ranks of an engine)" in result.output


def test_api_key_of_lmcache_works_as_the_token(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40 + "\n")
    with lmcaches("k" * 40) as (url, _):
        assert run("status", "--url", url, "--bearer-token-file", str(key)).exit_code == 0
        assert run("status", "--url", url, LMCACHE_INTERNAL_TOKEN="k" * 40).exit_code == 0
        refused = run("status", "--url", url)
    assert refused.exit_code == 1
    assert "MP server" in refused.stdout  # GET / needs no key.
    assert "HTTP 401: Invalid or missing API key. Give --bearer-token-file" in refused.stdout


def test_tokens_of_our_server_work(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, ann="viewer")
    with ours(None, {"extra_config": {"internal_api_server_tokens_file": str(path)}}) as (url, _):
        assert "HTTP 401" in run("status", "--url", url).stdout
        assert run("status", "--url", url, LMCACHE_INTERNAL_TOKEN=tokens["ann"]).exit_code == 0


def test_row_of_an_engine_that_hangs_says_that_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    with ours(None) as (url, manager):
        monkeypatch.setattr(manager.engine, "report_status", lambda: released.wait(60))
        try:
            began = time.monotonic()
            result = run("status", "--url", url, "--verbose")
            (entry,) = run_json("status", "--url", url)
        finally:
            released.set()
    assert time.monotonic() - began < 45
    assert result.exit_code == 1
    assert " failing 1 " in result.stdout, result.output  # The check `engine`.
    assert "failing engine: " in result.stdout
    assert (entry["data"]["health"], entry["data"]["workers"]) == ("failing", None)


def test_server_on_a_unix_socket_is_recognized(tmp_path: Path) -> None:
    values = {"internal_api_server_socket_path_prefix": str(tmp_path / "api")}
    with ours(None, values) as (url, _):
        path = f"{tmp_path}/api_{url.rpartition(':')[2]}"
        (entry,) = run_json("status", "--socket", path)
    assert (entry["role"], entry["address"], entry["ok"]) == ("MP server", path, True)


def test_commands_of_ranks_ask_only_the_ranks_of_a_mixed_fleet(
    shared_fleet: Fleet, mp: tuple[str, EmbeddedMPManager]
) -> None:
    found = run_json("backends", "--url", shared_fleet.url(1), "--url", mp[0])
    assert [(entry["index"], entry["ok"]) for entry in found] == [(1, True)]
