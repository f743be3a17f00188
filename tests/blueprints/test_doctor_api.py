"""GET /doctor: the troubles and the facts of one rank."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from lmcache_internal import create_app
from lmcache_internal.diagnostics.doctor import facts
from lmcache_internal.diagnostics.doctor.collectors import fields
from tests.support import make_manager

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
        assert time.monotonic() - began < 2
        released.set()
    assert report["facts"]["not_collected"] == {"hashing": "did not respond within 0.2 s"}
    reasons = {entry["code"]: entry["why"] for entry in report["not_checked"]}
    assert reasons["hash-seed-unset"] == "there is no fact hashing.function: did not respond within 0.2 s"


def test_an_engine_that_raises_costs_only_its_facts() -> None:
    report = doctor(None)
    assert report["findings"] == []
    assert "hashing" in report["facts"]["not_collected"]
    assert report["facts"]["process"]["pid"]
