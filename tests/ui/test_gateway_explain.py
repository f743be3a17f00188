"""The gateway explains a prompt on all or chosen ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.conversion import MAX_TOKENS
from tests.cli.conftest import fleets_in
from tests.cli.test_hostile import lying
from tests.ui.fleet_support import logged_in
from tests.ui.test_gateway import create_server


def explain(client: FlaskClient, **body: Any) -> dict[str, Any]:
    response = client.post("/fleet/explain", json=body)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def test_each_rank_has_a_row_with_its_hits_its_reasons_and_commands_for_it(tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        fleet = start(without=(4,))
        fleet.managers[1].require_engine().freeze(True)
        assert fleet.run("cache", "store", "--tokens", "0:64", "--index", "2").exit_code == 0
        client = logged_in([fleet.url(index) for index in range(5)])
        found = explain(client, range="0:128")
        rows = {row["number"]: row for row in found["ranks"]}
        assert {number: row["hit_tokens"] for number, row in rows.items()} == {0: None, 1: 0, 2: 64, 3: 0}
        assert rows[2]["tokens"] == 128
        frozen = next(reason for reason in rows[1]["reasons"] if reason["code"] == "frozen")
        assert "lmcache-internal freeze off --index 1" in frozen["next_step"]
        assert [failed["ranks"] for failed in found["failed"]] == ["4 worker 3"]
        chosen = explain(client, tokens=list(range(64)), ranks=[2])
        assert [(row["number"], row["hit_tokens"]) for row in chosen["ranks"]] == [(2, 64)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"range": "0:512", "tokens": [1]},
        {"range": "512:0"},
        {"range": "x"},
        {"range": f"0:{MAX_TOKENS + 1}"},
        {"tokens": [0] * (MAX_TOKENS + 1)},
        {"tokens": ["1"]},
        {"tokens": [1], "ranks": []},
        {"tokens": [1], "other": 1},
    ],
)
def test_a_prompt_that_is_none_is_refused(body: dict[str, Any]) -> None:
    response = logged_in(["http://127.0.0.1:1"]).post("/fleet/explain", json=body)
    assert response.status_code == 400, response.text


def test_a_rank_that_lies_costs_its_own_row() -> None:
    def forge(reply: tuple[int, bytes], path: str) -> tuple[int, bytes]:
        return (200, b'{"tokens": -1, "chunks": 5}') if path.startswith("/cache/explain") else reply

    with create_server() as app, lying(app, forge) as lie, lying(app, lambda reply, _: reply) as truth:
        found = explain(logged_in([lie, truth]), range="0:64")
        assert [row["number"] for row in found["ranks"]] == [1]
        assert [failed["ranks"] for failed in found["failed"]] == ["0 scheduler"]
