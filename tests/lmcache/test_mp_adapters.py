"""L2 adapters of the real MP server, added and removed over HTTP."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually, lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from tests.lmcache.mp_engine import Served, fetch, prefetched, store, worker


def add(served: Served, **spec: Any) -> tuple[int, dict[str, Any]]:
    status, text = fetch(served, "/config/adapters", "POST", json.dumps(spec).encode())
    return status, json.loads(text)


def ids(served: Served) -> list[int]:
    return [each["id"] for each in json.loads(fetch(served, "/config/adapters")[1])["adapters"]]


def test_an_added_adapter_serves_what_was_stored_until_it_is_removed(served: Served, tmp_path: Path) -> None:
    with worker(served) as client:
        status, added = add(served, type="fs", base_path=str(tmp_path / "second"))
        assert (status, added["id"]) == (200, 1), added
        assert add(served, type="fs", base_path=str(tmp_path / "second"))[0] == 409
        assert str(tmp_path / "second") in fetch(served, "/config")[1]
        tokens = store(client)
        assert eventually(lambda: len(list((tmp_path / "second").glob("*.data"))) >= 2)
        time.sleep(0.5)
        assert fetch(served, "/config/adapters/0", "DELETE")[0] == 200
        assert ids(served) == [1]
        assert fetch(served, "/cache/clear", "POST")[0] == 200
        state = prefetched(served, tokens)
        assert state["found_keys"] == state["total_keys"] > 0
        assert fetch(served, "/readyz/adapters?verbose")[1] == "[+]adapters ok: 1: fs"
        assert json.loads(fetch(served, "/config/adapters/1", "DELETE")[1]) == {"id": 1, "type_name": "fs"}
        assert ids(served) == []
        assert fetch(served, "/cache/clear", "POST")[0] == 200
        assert prefetched(served, tokens)["found_keys"] == 0
        assert list((tmp_path / "second").glob("*.data"))
    assert "Traceback" not in served.text()


@pytest.mark.parametrize(
    ("spec", "status", "names"),
    [
        ({"type": "nope"}, 400, "fs"),
        ({"type": "fs"}, 400, "base_path"),
        ({"type": "fs", "base_path": "/proc/no/such"}, 400, "/proc"),
        ({"type": "plugin", "module_path": "os", "class_name": "x"}, 400, "loads code"),
        ({"type": "fs", "base_path": "/tmp/x", "serde": {"type": "nope"}}, 400, "nope"),
        ({"type": "resp", "host": 7, "port": "hunter2", "password": "hunter2"}, 400, "host"),
    ],
)
def test_what_cannot_be_added_is_named(served: Served, spec: dict[str, Any], status: int, names: str) -> None:
    before = ids(served)
    found, body = add(served, **spec)
    assert found == status, body
    assert names in body["message"]
    assert "hunter2" not in str(body)
    assert ids(served) == before
