"""/ui without a browser: the session, recent requests, and that a page holds no data."""

from __future__ import annotations

from pathlib import Path

from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.limits.recent_requests import KEPT
from tests.security.support import app_with, bearer, token_file

POLL = {"Lmcache-Internal-Poll": "1"}
OTHER_PAGE = """
from flask import Blueprint

router = Blueprint("uiops", __name__)


@router.get("/uiops")
def uiops():
    return "x"
"""


def listed(client: FlaskClient) -> list[str]:
    return [f"{each['method']} {each['path']} {each['status']}" for each in client.get("/ui/requests").get_json()]


def test_recent_requests_have_no_query_and_are_not_displaced_by_the_dashboard(client: FlaskClient) -> None:
    client.get("/conf?names=chunk_size&token=secret")
    client.get("/nowhere/secret")
    for path in ("/ui", "/ui/main.js", "/ui/session"):
        client.get(path)
    client.get("/livez", headers=POLL)
    assert sorted(listed(client)) == ["GET /conf 200", "GET unmatched 404"]


def test_a_path_that_only_begins_like_the_dashboard_is_listed(tmp_path: Path) -> None:
    (tmp_path / "uiops_api.py").write_text(OTHER_PAGE)
    client = create_app(None, [tmp_path]).test_client()
    assert client.get("/uiops").status_code == 200
    assert listed(client) == ["GET /uiops 200"]


def test_the_slowest_of_the_last_requests_come_first(client: FlaskClient) -> None:
    for _ in range(KEPT + 5):
        client.get("/version")
    seconds = [each["seconds"] for each in client.get("/ui/requests").get_json()]
    assert len(seconds) == KEPT
    assert seconds == sorted(seconds, reverse=True)


def test_a_session_lists_routes_to_viewers_only(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
        stranger = client.get("/ui/session").get_json()
        assert (stranger["role"], stranger["routes"], stranger["pages"], stranger["tokens"]) == ("public", {}, [], True)
        assert stranger["rank"] == ""
        viewer = client.get("/ui/session", headers=bearer(tokens["reader"])).get_json()
        assert (viewer["role"], viewer["caller"], viewer["kind"]) == ("viewer", "reader", "in-process")
        assert viewer["routes"]["PUT /freeze/enable"] == "operator"
        assert client.get("/ui").status_code == 200
        assert client.get("/ui/requests").status_code == 401


def test_a_session_names_the_timeouts_of_the_server() -> None:
    with app_with(call_timeout=3, script_timeout=4.5) as app:
        assert app.test_client().get("/ui/session").get_json()["timeouts"] == {"call": 3, "script": 4.5}


def test_a_session_names_the_rank(client: FlaskClient, scheduler: EmbeddedManager, mp_client: FlaskClient) -> None:
    others = create_app(scheduler).test_client(), create_app(None).test_client()
    named = [each.get("/ui/session").get_json()["rank"] for each in (client, *others, mp_client)]
    assert named == ["worker 0", "scheduler", "", "MP server"]
