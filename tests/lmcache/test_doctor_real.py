"""The doctor with the real engine, and with LMCache's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lmcache_internal import create_app
from lmcache_internal.cli import main
from lmcache_internal.diagnostics.doctor import Rank
from lmcache_internal.diagnostics.doctor.examination import examine
from lmcache_internal.diagnostics.doctor.report import Report
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.conformance.run import serving
from tests.support import lmcache_release


@pytest.fixture(scope="module")
def worker() -> Iterator[Any]:
    made = make_worker("doctor")
    yield made
    made.stop_services()


def facts_of(manager: Any) -> dict[str, Any]:
    return dict(create_app(manager).test_client().get("/doctor").get_json()["facts"])


def compared(worker: Any, **values: Any) -> tuple[list[dict[str, Any]], Report]:
    """Return the facts of the worker and of a scheduler with these values in its config, and the report on both."""
    scheduler = make_scheduler("doctor", **values)
    try:
        facts = [facts_of(scheduler), facts_of(worker)]
    finally:
        scheduler.stop_services()
    return facts, examine([Rank(name, each) for name, each in zip(("scheduler", "worker 0"), facts, strict=True)])


def test_a_scheduler_and_a_worker_that_agree_have_no_findings(worker: Any) -> None:
    facts, report = compared(worker, enable_chunk_statistics=True)
    assert [each["not_collected"] for each in facts] == [{}, {}]
    assert [each["rank"]["role"] for each in facts] == ["scheduler", "worker"]
    assert facts[0]["hashing"] == facts[1]["hashing"]
    assert facts[0]["hashing"]["function"] == "builtin"
    assert report.findings == []
    checked = {"chunk-size-differs", "chunk-hashes-differ", "kv-dtype-differs", "mla-differs", "hash-seed-unset"}
    assert checked <= set(report.checked)


def test_a_scheduler_with_another_chunk_size_is_found(worker: Any) -> None:
    _, report = compared(worker, chunk_size=128)
    assert [found.code for found in report.findings] == ["chunk-size-differs"]


def test_a_hash_function_that_lmcache_cannot_load_is_found(worker: Any) -> None:
    _, report = compared(worker, pre_caching_hash_algorithm="sha256_cbor")
    assert {found.code: found.ranks for found in report.findings} == {
        "hash-algorithm-differs": ["scheduler", "worker 0"],
        "hash-algorithm-fallback": ["scheduler"],
    }


@pytest.mark.skipif(lmcache_release() < (0, 4), reason="the app of LMCache 0.3's server cannot be reached")
def test_lmcaches_own_servers_are_examined_by_their_other_endpoints(tmp_path: Path) -> None:
    with serving("lmcache", tmp_path) as ports:
        options = [part for port in ports.values() for part in ("--url", f"http://127.0.0.1:{port}")]
        result = CliRunner().invoke(main, ["doctor", *options, "--json", "--timeout", "20"])
    document = json.loads(result.stdout)
    assert [entry["ok"] for entry in document["ranks"]] == [True, True], document
    assert {found["code"] for found in document["findings"]} == {"unguarded-server"}
    assert {"chunk-size-differs", "kv-dtype-differs"} <= set(document["checked"])
    # Since 0.5.7, LMCache's own server of an in-process engine does not report its version.
    assert ("engine-version-differs" in document["checked"]) == (lmcache_release() < (0, 5, 7))
    reasons = {entry["code"]: entry["why"] for entry in document["not_checked"]}
    assert "the server has no GET /doctor" in reasons["chunk-hashes-differ"]
