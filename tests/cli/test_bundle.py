"""`bundle`: what a bug report needs, and no secret."""

from __future__ import annotations

import json
import logging
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Gauge

from lmcache_internal.cli.redact import redacted
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.conftest import DEAD, HANGING, Fleet, StartFleet


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_folder_for_each_server_and_a_manifest_of_what_is_missing(ailing: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    result = ailing.run("bundle", "-o", str(path), "--timeout", "4")
    assert result.exit_code == 1
    assert "3 of 5 servers" in result.stderr
    found = contents(path)
    manifest = json.loads(found["manifest.json"])["servers"]
    assert manifest[f"worker-{DEAD - 1}"]["error"] == "cannot connect: Connection refused"
    assert manifest[f"worker-{HANGING - 1}"]["error"] == "no answer within 4 s"
    assert manifest["worker-0"]["missing"] == {}
    without_engine = "HTTP 503: LMCache engine not configured."
    assert manifest["scheduler"]["missing"] == {"backends.json": without_engine, "bypass.json": without_engine}
    assert json.loads(found["worker-2/meta.json"])["worker_id"] == 2
    assert json.loads(found["worker-0/conf.json"])["chunk_size"]["value"] == 16
    assert json.loads(found["worker-0/facts.json"])["rank"] == {"role": "worker", "worker_id": 0}
    report = json.loads(found["doctor.json"])
    assert [entry["ok"] for entry in report["ranks"]] == [True, True, False, True, False]
    assert "chunk-size-differs" in report["checked"]
    assert "Nothing found in 3 of 5 ranks." in found["doctor.txt"]
    assert "=== Thread Summary ===" in found["worker-0/threads.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.glob(".*")] == []


def test_no_planted_secret_is_in_it(start_fleet: StartFleet, tmp_path: Path) -> None:
    def planted(where: str) -> str:
        return f"S3cret{where}"

    token, entry = new_token("operator", Role.ADMIN)
    write_tokens_file(tmp_path / "tokens.yaml", [entry])
    extra = {
        "internal_api_server_tokens_file": str(tmp_path / "tokens.yaml"),
        "hf_token": planted("Config"),
        "remote": f"redis://user:{planted('Userinfo')}@host:6379/0?sig={planted('Query')}",
        "nested": [{"api_key": planted("Nested")}],
    }
    fleet = start_fleet(without=(0, 2, 3, 4), extra_config=extra)
    (tmp_path / "token").write_text(token)
    access = ("--bearer-token-file", str(tmp_path / "token"), "--index", "1")
    stopping = threading.Event()
    thread = threading.Thread(target=stopping.wait, name=f"password={planted('Thread')} {token}")
    thread.start()
    logging.getLogger(f"client.redis://:{planted('Logger')}@host")
    gauge = Gauge("planted", "x", ["auth_token"])
    gauge.labels(planted("Label")).set(1)
    try:
        assert fleet.run("get", f"/run_script?password={planted('Audit')}", *access).exit_code == 1
        assert fleet.run("bundle", "-o", str(tmp_path / "b.zip"), *access).exit_code == 0
    finally:
        stopping.set()
        thread.join()
        REGISTRY.unregister(gauge)
    found = contents(tmp_path / "b.zip")
    for name in ("conf.json", "threads.txt", "loggers.txt", "metrics.txt"):
        assert "***" in found[f"worker-0/{name}"], name
    for name, content in found.items():
        assert "S3cret" not in content, name
        assert token not in content, name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('password = "hunter2"', 'password = "***"'),
        ("File 'a.py', line 3\n  token: str = 'x'", "File 'a.py', line 3\n  token: ***"),
        ({"a": ["api_key=abc; num_tokens=7"]}, {"a": ["api_key=***; num_tokens=7"]}),
        ({"count": 3, "ok": True, "none": None}, {"count": 3, "ok": True, "none": None}),
        ("the sent one stands here", "the *** one stands here"),
    ],
)
def test_scrub(value: Any, expected: Any) -> None:
    assert redacted(value, "sent") == expected


def test_a_file_is_replaced_only_by_force(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_text("precious")
    refused = fleet.run("bundle", "-o", str(path), "--index", "0")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert path.read_text() == "precious"
    assert fleet.run("bundle", "-o", str(path), "--index", "0", "--force").exit_code == 0
    assert "manifest.json" in contents(path)


def test_a_place_that_cannot_be_written_is_told(fleet: Fleet, tmp_path: Path) -> None:
    result = fleet.run("bundle", "-o", str(tmp_path / "no" / "b.zip"), "--index", "0")
    assert result.exit_code == 1
    assert "Cannot write" in result.stderr


def test_without_a_right_to_it_a_file_is_missing_with_the_reason(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = start_fleet(without=(0, 2, 3, 4), extra_config={"internal_api_server_max_access": "viewer"})
    result = fleet.run("bundle", "-o", str(tmp_path / "b.zip"), "--index", "1", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["data"]["missing"] == "audit.json"
    manifest = json.loads(contents(tmp_path / "b.zip")["manifest.json"])
    assert "Requires role admin" in manifest["servers"]["worker-0"]["missing"]["audit.json"]
