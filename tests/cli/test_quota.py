"""`quota`: over a fleet of MP servers, ours and LMCache's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lmcache_internal.cli import options
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.cli.conftest import Fleet
from tests.cli.mp_fleet import lmcaches, ours, run, run_json

Server = tuple[str, EmbeddedMPManager]
GIB = 1 << 30


@pytest.fixture
def two() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ours(None)) for _ in range(2)]


def urls(servers: list[Server]) -> list[str]:
    return [part for url, _ in servers for part in ("--url", url)]


def limits(servers: list[Server], salt: str) -> list[int | None]:
    found = [manager.engine.storage_manager.quota_manager for _, manager in servers]
    return [quotas.get_limit_bytes(salt) if quotas.has_quota(salt) else None for quotas in found]


def test_quota_is_set_listed_shown_and_deleted_on_all(two: list[Server]) -> None:
    result = run("quota", "set", "alice", "--limit-gb", "0.5", "--all", *urls(two))
    assert result.exit_code == 0, result.output
    assert limits(two, "alice") == [GIB // 2] * 2
    lines = run("quota", *urls(two)).stdout.splitlines()
    assert lines[0].split() == ["SERVER", "CACHE", "SALT", "LIMIT", "USAGE", "USED"]
    assert [line.split()[-7:] for line in lines[1:]] == [["alice", "512.0", "MiB", "0", "B", "0.0", "%"]] * 2
    data = {"limit_gb": 0.5, "current_usage_gb": 0.0, "exists": True}
    assert [entry["data"] for entry in run_json("quota", "get", "alice", *urls(two))] == [data, data]
    assert run("quota", "delete", "alice", "--yes", "--all", *urls(two)).exit_code == 0
    assert limits(two, "alice") == [None, None]
    assert run("quota", *urls(two)).stderr == "There are no quotas.\n"


def test_dry_run_changes_nothing(two: list[Server]) -> None:
    result = run("quota", "set", "alice", "--limit-gb", "1", "--dry-run", "--all", *urls(two))
    assert result.exit_code == 0
    assert [line.split()[4:] for line in result.stdout.splitlines()[1:]] == [["-", "1.0", "GiB", "0", "B"]] * 2
    assert limits(two, "alice") == [None, None]
    run("quota", "set", "alice", "--limit-gb", "1", "--all", *urls(two))
    (first, _) = run_json("quota", "delete", "alice", "--dry-run", "--all", *urls(two))
    assert first["data"] == {"limit_gb": 1.0, "current_usage_gb": 0.0, "exists": True, "new_limit_gb": None}
    assert limits(two, "alice") == [GIB, GIB]


def test_limit_below_the_usage_needs_confirmation(two: list[Server]) -> None:
    # The objects of the fleet belong to anonymous requests.
    command = ["quota", "set", "_default", "--limit-gb", "0", "--url", two[0][0]]
    result = run(*command)
    assert result.exit_code == 2
    assert "This needs confirmation" in result.stderr
    assert limits(two, "") == [None, None]
    assert run(*command, "--yes").exit_code == 0
    assert limits(two, "") == [0, None]


def test_delete_needs_confirmation(two: list[Server]) -> None:
    run("quota", "set", "alice", "--limit-gb", "1", "--url", two[0][0])
    result = run("quota", "delete", "alice", "--url", two[0][0])
    assert (result.exit_code, limits(two, "alice")) == (2, [GIB, None])


def test_server_that_is_down_prevents_the_change(two: list[Server], tmp_path: Path) -> None:
    listed = tmp_path / "targets.yaml"
    listed.write_text(f"- {two[0][0]}\n- 127.0.0.1:1\n")
    for words in (["set", "alice", "--limit-gb", "1"], ["delete", "alice", "--yes"]):
        result = run("quota", *words, "--all", "--targets", str(listed))
        assert result.exit_code == 1
        assert "Nothing was changed." in result.stderr
        assert "cannot connect" in result.stdout
        assert limits(two, "alice") == [None, None]


def test_several_servers_need_all(two: list[Server]) -> None:
    result = run("quota", "set", "alice", "--limit-gb", "1", *urls(two))
    assert result.exit_code == 2
    assert "This changes 2 servers. Add --all" in result.stderr


def test_ranks_of_a_mixed_fleet_are_not_asked(two: list[Server], shared_fleet: Fleet) -> None:
    found = run_json("quota", "--url", shared_fleet.url(1), "--url", two[0][0])
    assert [entry["address"] for entry in found] == [two[0][0]]
    result = shared_fleet.run("quota")
    assert result.exit_code == 2
    assert "There is no MP server among the servers." in result.stderr


def test_quotas_of_lmcaches_own_server() -> None:
    with lmcaches() as (url, lmcache):
        result = run("quota", "--url", url)
        assert result.stdout.splitlines()[1].split()[-7:] == ["alice", "1.0", "GiB", "512.0", "MiB", "50.0", "%"]
        lmcache.bodies["GET /quota/alice"] = {"limit_gb": 1.0, "current_usage_gb": 0.5, "exists": True}
        lmcache.bodies["PUT /quota/alice"] = {"cache_salt": "alice", "limit_gb": 0.6, "status": "ok"}
        assert run("quota", "set", "alice", "--limit-gb", "0.6", "--url", url).exit_code == 0
        assert run("quota", "set", "alice", "--limit-gb", "0.4", "--url", url).exit_code == 2
        assert lmcache.asked.count("PUT /quota/alice") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "alice"], "Missing option '--limit-gb'"),
        (["set", "alice", "--limit-gb", "nan"], "expected 0 to 1e9 GiB"),
        (["set", "alice", "--limit-gb", "inf"], "expected 0 to 1e9 GiB"),
        (["set", "alice", "--limit-gb", "-1"], "expected 0 to 1e9 GiB"),
        (["set", "alice", "--limit-gb", "x"], "is not a valid float"),
        (["get", ".."], "cannot be a part of a path"),
        (["get", "a/b"], "cannot be a part of a path"),
    ],
)
def test_invalid_arguments_are_named(arguments: list[str], message: str) -> None:
    result = run("quota", *arguments, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("salt", ["a b", "a?b", "a#b", "ü", "%2e%2e", "a%b"])
def test_salts_are_quoted_in_the_path(two: list[Server], salt: str) -> None:
    assert run("quota", "set", salt, "--limit-gb", "1", "--url", two[0][0]).exit_code == 0
    assert limits(two, salt) == [GIB, None]


def test_without_options_the_default_address_of_an_mp_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with ours(None) as (url, _):
        monkeypatch.setattr(options, "_MP_URL", url)
        assert run("quota").exit_code == 0
        assert [entry["address"] for entry in run_json("objects")] == [url]
