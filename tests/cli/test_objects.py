"""`objects`: list with pages, and delete with a dry run and a confirmation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal.cli import object_requests
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.cli.mp_fleet import LMCache, ours, run, run_json
from tests.mp_support import CHUNKS, MODEL

Server = tuple[str, EmbeddedMPManager]


@pytest.fixture
def mp(tmp_path: Path) -> Iterator[Server]:
    with ours(tmp_path / "l2") as found:
        yield found


def hashes(mp: Server) -> list[str]:
    (entry,) = run_json("objects", "--url", mp[0])
    return [each["key"]["chunk_hash_hex"] for each in entry["data"]["entries"]]


def test_list_has_a_row_for_each_object(mp: Server) -> None:
    lines = run("objects", "--url", mp[0]).stdout.splitlines()
    assert " ".join(lines[0].split()) == "SERVER CHUNK HASH MODEL KV RANK GROUP CACHE SALT SIZE"
    assert len(lines) == 1 + CHUNKS
    assert all(line.endswith(f"  {MODEL}  0        0      -           128 B") for line in lines[1:])
    (entry,) = run_json("objects", "list", "--url", mp[0])
    assert (entry["data"]["adapter"], entry["data"]["complete"], len(entry["data"]["entries"])) == ("fs", True, CHUNKS)


def test_pages_are_read_to_the_end(mp: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_requests, "PAGE_SIZE", 1)
    assert len(set(hashes(mp))) == CHUNKS


def test_limit_is_said(mp: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_requests, "PAGE_SIZE", 2)
    result = run("objects", "--limit", "3", "--url", mp[0])
    assert len(result.stdout.splitlines()) == 1 + 3
    assert "There are more objects on" in result.stderr
    assert run("objects", "--limit", str(CHUNKS), "--url", mp[0]).stderr == ""


def test_models_and_adapters_choose(mp: Server) -> None:
    assert run_json("objects", "--model", "other", "--url", mp[0])[0]["data"]["entries"] == []
    result = run("objects", "--adapter", "s3", "--url", mp[0])
    assert result.exit_code == 1
    assert "There is no L2 adapter 's3'" in result.stderr


def test_delete_finds_objects_by_the_start_of_the_hash(mp: Server) -> None:
    first, *others = hashes(mp)
    dry = run("objects", "delete", first[:10].upper(), "--dry-run", "--url", mp[0])
    assert dry.exit_code == 0
    assert first in dry.stdout
    assert dry.stderr == "Nothing was deleted.\n"
    assert hashes(mp) == [first, *others]
    assert run("objects", "delete", first[:10], "--url", mp[0]).exit_code == 2
    assert hashes(mp) == [first, *others]
    result = run("objects", "delete", first[:10], "--yes", "--url", mp[0])
    assert result.stdout.splitlines()[1].split()[-2:] == ["1", "0"]
    assert hashes(mp) == others


def test_delete_in_batches_deletes_all(mp: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_requests, "BATCH", 1)
    (entry,) = run_json("objects", "delete", *hashes(mp), "--tier", "all", "--yes", "--url", mp[0])
    assert entry["data"] == {"deleted": 2 * CHUNKS, "skipped": 0}
    assert hashes(mp) == []
    assert mp[1].engine.storage_manager.l1.report_status()["total_object_count"] == 0


def test_delete_without_a_list_takes_the_whole_name(lmcache: tuple[str, LMCache]) -> None:
    lmcache[1].bodies["DELETE /cache/objects"] = {"deleted": 1, "skipped": 0, "ok": True}
    words = ["objects", "delete", "ab" * 16, "--model", "m", "--kv-rank", "7", "--yes", "--url", lmcache[0]]
    assert run(*words).exit_code == 0
    assert not any(request.startswith("GET /cache/objects") for request in lmcache[1].asked)
    lmcache[1].bodies["DELETE /cache/objects"] = {"deleted": 0, "skipped": 0, "ok": False, "error": "disk full"}
    result = run(*words)
    assert result.exit_code == 1
    assert "L2 failed after 0 deleted objects: disk full" in result.stdout


def test_objects_that_do_not_exist_are_not_deleted(mp: Server) -> None:
    result = run("objects", "delete", "0" * 64, "--yes", "--url", mp[0])
    assert (result.exit_code, result.stderr) == (1, "There is no such object.\n")
    (entry,) = run_json("objects", "delete", "0" * 64, "--yes", "--url", mp[0])
    assert (entry["ok"], entry["data"]) == (True, [])


def test_server_that_cannot_list_prevents_the_deletion(mp: Server, lmcache: tuple[str, LMCache]) -> None:
    found = hashes(mp)
    words = ["objects", "delete", found[0], "--yes", "--all", "--url", mp[0], "--url", lmcache[0]]
    result = run(*words)
    assert result.exit_code == 1
    assert "Nothing was deleted." in result.stderr
    assert hashes(mp) == found


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        (lambda _: "again", "names the same page again"),
        (lambda number: str(number), "does not end after 1000 pages"),
    ],
    ids=["same", "endless"],
)
def test_pages_without_end_are_an_error(lmcache: tuple[str, LMCache], pages: Any, message: str) -> None:
    asked: list[int] = []

    class Endless(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            if name != "GET /cache/objects":
                return super().get(name, default)
            asked.append(1)
            return json.dumps({"adapter": "s3", "entries": [], "next_page_token": pages(len(asked))})

    lmcache[1].bodies = Endless(lmcache[1].bodies)
    result = run("objects", "--url", lmcache[0])
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_server_that_sends_more_than_asked_is_cut(lmcache: tuple[str, LMCache]) -> None:
    entries = [{"key": {"chunk_hash_hex": "ab", "model_name": "m", "kv_rank": 0}, "size_bytes": 1}] * 1000
    lmcache[1].bodies["GET /cache/objects"] = {"adapter": "s3", "entries": entries, "next_page_token": None}
    (entry,) = run_json("objects", "--limit", "10", "--url", lmcache[0])
    assert (len(entry["data"]["entries"]), entry["data"]["complete"]) == (10, False)


def test_too_many_objects_to_search_is_an_error(lmcache: tuple[str, LMCache], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_requests, "MAX_SCANNED", 1)
    entries = [{"key": {"chunk_hash_hex": "ab" * 16, "model_name": "m", "kv_rank": 0}}] * 2
    lmcache[1].bodies["GET /cache/objects"] = {"adapter": "s3", "entries": entries}
    result = run("objects", "delete", "ab" * 16, "--yes", "--url", lmcache[0])
    assert result.exit_code == 1
    assert "name one with --model and --kv-rank" in result.stderr
    assert not any(request.startswith("DELETE") for request in lmcache[1].asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete"], "Missing argument"),
        (["delete", "abc"], "expected 8 or more hexadecimal digits"),
        (["delete", "0123456x"], "expected 8 or more hexadecimal digits"),
        (["delete", "01234567", "--model", "m"], "--model and --kv-rank go together"),
        (["delete", "01234567", "--tier", "l3"], "'l3' is not one of"),
        (["list", "--limit", "0"], "is not in the range"),
    ],
)
def test_invalid_arguments_are_named(arguments: list[str], message: str) -> None:
    result = run("objects", *arguments, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert message in result.stderr
