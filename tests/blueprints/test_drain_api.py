"""POST /admin/drain, POST /admin/undrain and GET /admin/drain."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics.modes import MODES_KEY
from tests.support import eventually

NONE = {"drained": False, "reason": None, "by": None, "since": None, "until": None}
ISO = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"


def drain(client: FlaskClient, **arguments: Any) -> dict[str, Any]:
    response = client.post("/admin/drain", query_string=arguments)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.get_json()
    return body


def test_a_drained_rank_is_not_ready_and_nothing_else_changes(client: FlaskClient) -> None:
    assert client.get("/admin/drain").get_json() == NONE
    told = drain(client, reason="new disk")
    assert (told["drained"], told["reason"], told["by"], told["until"]) == (True, "new disk", "local", None)
    assert client.get("/admin/drain").get_json() == told
    ready = client.get("/readyz")
    assert ready.status_code == 503
    line = rf"drained since {ISO} by local, until POST /admin/undrain: new disk"
    assert re.fullmatch(rf"\[-\]drain failed: {line}", ready.text)
    assert client.get("/readyz/drain").status_code == 503
    assert client.get("/readyz/engine").status_code == 200
    assert (client.get("/livez").status_code, client.get("/livez").text) == (200, "ok")
    healthy = client.get("/healthz")
    assert healthy.status_code == 200
    assert re.fullmatch(rf"ok\n\[!\]drain warning: {line}", healthy.text)
    assert client.get("/healthz", headers={"Accept": "application/json"}).get_json()["mode"] == "drained"
    assert client.post("/cache/store?tokens_mock=0,16").get_json()["stored"] == 16
    assert client.post("/admin/undrain").get_json() == NONE
    assert client.get("/readyz").text == client.get("/healthz").text == "ok"
    assert client.post("/admin/undrain").get_json() == NONE


def test_a_drain_ends_by_itself(client: FlaskClient, app: InternalApp) -> None:
    told = drain(client, seconds=3600)
    assert told["until"] is not None
    assert f"until {told['until']}" in client.get("/readyz").text
    app.extensions[MODES_KEY].rotation.drain("", 0.05, "a test")
    assert client.get("/readyz").status_code == 503
    assert eventually(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/admin/drain").get_json() == NONE


def test_the_end_of_a_drain_does_not_follow_the_wall_clock(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain(client, seconds=3600)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert client.get("/readyz").status_code == 503


def test_the_last_drain_counts(client: FlaskClient) -> None:
    drain(client, reason="first", seconds=5)
    told = drain(client, reason="second")
    assert (told["reason"], told["until"]) == ("second", None)
    assert client.get("/readyz").text.endswith(": second")


@pytest.mark.parametrize(
    "arguments",
    [
        *({"seconds": text} for text in ("0", "-1", "604801", "1.5", "nan", "inf", "x", "9" * 5000)),
        {"reason": "x" * 201},
    ],
)
def test_what_is_no_drain_is_a_400_and_nothing_is_drained(client: FlaskClient, arguments: dict[str, str]) -> None:
    (name,) = arguments
    response = client.post("/admin/drain", query_string=arguments)
    assert response.status_code == 400
    assert name in response.get_json()["message"]
    assert len(response.text) < 2000
    assert client.get("/admin/drain").get_json() == NONE


def test_a_secret_in_the_reason_does_not_reach_the_probe(client: FlaskClient) -> None:
    drain(client, reason="move to redis://user:s3cret@host")
    assert "s3cret" not in client.get("/readyz").text
    assert "s3cret" not in client.get("/admin/drain").text


@pytest.mark.parametrize("char", ["\n", "\x1b", "\u202e", "\u0085"])
def test_control_characters_in_the_reason_are_escaped(client: FlaskClient, char: str) -> None:
    drain(client, reason=f"a{char}b")
    assert f"a\\u{ord(char):04x}b" in client.get("/readyz").text


def test_blanks_are_no_reason(client: FlaskClient) -> None:
    assert drain(client, reason="  ", seconds=5)["reason"] == ""
    assert not client.get("/readyz").text.endswith(":")


def test_a_scheduler_can_be_drained(scheduler: EmbeddedManager) -> None:
    client = create_app(scheduler).test_client()
    drain(client)
    assert client.get("/readyz").status_code == 503


def test_apps_are_drained_one_by_one(client: FlaskClient, manager: EmbeddedManager) -> None:
    drain(client)
    assert create_app(manager).test_client().get("/admin/drain").get_json() == NONE


def test_a_drain_is_audited(client: FlaskClient) -> None:
    drain(client, reason="new disk", seconds=60)
    client.post("/admin/undrain")
    first, second = client.get("/audit").get_json()[-2:]
    assert (first["path"], first["drained"]) == ("/admin/drain", True)
    assert first["arguments"] == {"reason": "new disk", "seconds": "60"}
    assert (second["path"], second["drained"]) == ("/admin/undrain", False)
