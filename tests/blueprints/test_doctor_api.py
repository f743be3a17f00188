"""GET /doctor: the troubles and the facts of one rank."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import create_app
from lmcache_internal.diagnostics.doctor import facts
from lmcache_internal.diagnostics.doctor.collectors import fields
from lmcache_internal.limits.concurrency import LIMITS
from tests.support import eventually, in_thread, make_manager

SECRET = "hunter2-hunter2"


def doctor(manager: Any) -> dict[str, Any]:
    response = create_app(manager).test_client().get("/doctor")
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def test_a_healthy_worker_has_no_findings() -> None:
    with make_manager(worker_id=1) as manager:
        report = doctor(manager)
    assert report["findings"] == []
    assert "hash-seed-unset" in report["checked"]
    assert report["facts"]["not_collected"] == {}
    assert report["facts"]["rank"] == {"role": "worker", "worker_id": 1}


def test_a_rule_that_compares_ranks_is_not_checked_in_one_rank() -> None:
    with make_manager("scheduler") as manager:
        report = doctor(manager)
    reasons = {entry["code"]: entry["why"] for entry in report["not_checked"]}
    assert reasons["chunk-size-differs"] == "it compares ranks, and 1 of them can be compared"


def test_each_field_of_the_facts_is_documented() -> None:
    with make_manager() as manager:
        found = doctor(manager)["facts"]
    found.pop("not_collected")
    assert found.keys() == fields().keys()
    for group, documented in fields().items():
        assert "*" in documented or found[group].keys() <= documented.keys(), group


def test_facts_have_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("PYTHONHASHSEED", "424242")
    with make_manager(extra_config={"api_key": SECRET, "url": f"redis://user:{SECRET}@host"}) as manager:
        text = json.dumps(doctor(manager))
    assert SECRET not in text
    assert "424242" not in text


def test_an_engine_that_hangs_costs_only_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "COLLECT_SECONDS", 0.2)
    released = threading.Event()
    with make_manager() as manager:
        monkeypatch.setattr(manager.runtime, "hashing", released.wait)
        began = time.monotonic()
        report = doctor(manager)
        assert time.monotonic() - began < 8
        released.set()
    assert report["facts"]["not_collected"] == {"hashing": "did not respond within 0.2 s"}
    reasons = {entry["code"]: entry["why"] for entry in report["not_checked"]}
    assert reasons["hash-seed-unset"] == "the server did not report hashing.*: did not respond within 0.2 s"


@pytest.mark.parametrize(
    ("world_size", "has_disk", "severity"), [(1, False, "notice"), (1, True, "warning"), (2, False, "warning")]
)
def test_an_unset_hash_seed_is_a_notice_where_no_other_process_has_the_chunks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world_size: int, has_disk: bool, severity: str
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    disk: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 0.01} if has_disk else {}
    with make_manager(world_size=world_size, pre_caching_hash_algorithm="builtin", **disk) as manager:
        (found,) = doctor(manager)["findings"]
    assert (found["code"], found["severity"]) == ("hash-seed-unset", severity)


def test_requests_wait_for_one_collection_and_leave_the_slots_of_scrapes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "COLLECT_SECONDS", 1.0)
    released, calls = threading.Event(), []

    def hang() -> None:
        calls.append(threading.current_thread())
        released.wait(10)

    with make_manager() as manager:
        monkeypatch.setattr(manager.runtime, "hashing", hang)
        app = create_app(manager)
        waiting = [in_thread(lambda: app.test_client().get("/doctor").status_code) for _ in range(LIMITS["doctor"])]
        assert eventually(lambda: bool(calls))
        time.sleep(0.2)
        refused, scrape = (app.test_client().get(path) for path in ("/doctor", "/metrics"))
        released.set()
        for thread, _ in waiting:
            thread.join()
    assert (refused.status_code, scrape.status_code) == (503, 200)
    assert [status for _, (status,) in waiting] == [200] * LIMITS["doctor"]
    assert len(calls) == 1


def test_an_engine_that_raises_costs_only_its_facts() -> None:
    report = doctor(None)
    assert report["findings"] == []
    assert "hashing" in report["facts"]["not_collected"]
    assert report["facts"]["process"]["pid"]
