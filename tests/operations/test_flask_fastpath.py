"""LeanFlask behaves as Flask does: routing, methods, links and hooks."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from lmcache_internal import create_app
from tests.support import make_manager

PLUGIN = '''
"""Views that return Flask's attributes of their request."""

from weakref import ref

from flask import Blueprint, Response, after_this_request, jsonify, redirect, request, session, url_for
from flask.views import MethodView
from lmcache_internal.api import operation

router = Blueprint("looks", __name__)


@router.get("/looks")
def looks():
    return jsonify(
        rule=request.url_rule.rule, endpoint=request.endpoint, arguments=request.view_args,
        own=url_for(".looks"), other=url_for(".named", name="a b", _external=True), host=request.host,
    )


@router.get("/looks/<name>")
def named(name):
    return jsonify(rule=request.url_rule.rule, arguments=request.view_args)


@router.get("/looks/plain")
def plain():
    return jsonify(rule=request.url_rule.rule)


@router.route("/looks/there", methods=["PUT"])
def there():
    return redirect(url_for(".looks"))


@router.get("/looks/session")
def in_session():
    return jsonify(known=session.get("known"))


@router.get("/looks/session/set")
def set_session():
    session["known"] = 1
    return ""


router.add_url_rule("/looks/default", "default", named, defaults={"name": "usual"})
router.add_url_rule("/looks/moved", "moved", named, redirect_to="/looks")


@router.get("/looks/hooks")
@operation(action="look", cheap=True)
def hooks() -> dict[str, int]:
    @after_this_request
    def mark(response):
        response.headers["X-Marked"] = "yes"
        response.call_on_close(lambda: closed.append(1))
        return response
    return {"closed": len(closed)}


@router.get("/looks/later")
async def later():
    return ""


closed = []
before = []


@router.before_request
def note():
    before.append(request.endpoint)


@router.get("/looks/before")
def seen():
    return jsonify(before)


class Made(MethodView):
    made = []

    def get(self):
        @after_this_request
        def unchanged(response):
            return response

        self.made += [ref(self), ref(unchanged)]
        return jsonify([one() is not None for one in self.made])


router.add_url_rule("/looks/made", view_func=Made.as_view("made"))
'''


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    (tmp_path / "looks_api.py").write_text(PLUGIN)
    return create_app(make_manager(), plugin_dirs=[tmp_path]).test_client()


def test_view_knows_its_rule_and_url_for_works(client: FlaskClient) -> None:
    found = client.get("/looks", base_url="http://localhost:7000").json
    assert found == {
        "rule": "/looks",
        "endpoint": "looks.looks",
        "arguments": {},
        "own": "/looks",
        "other": "http://localhost:7000/looks/a%20b",
        "host": "localhost:7000",
    }


def test_plain_path_precedes_pattern(client: FlaskClient) -> None:
    assert client.get("/looks/plain").json == {"rule": "/looks/plain"}
    assert client.get("/looks/plainer").json == {"rule": "/looks/<name>", "arguments": {"name": "plainer"}}
    assert client.get("/looks/plain/").json == {"rule": "/looks/plain"}


def test_path_with_defaults_and_redirect_works(client: FlaskClient) -> None:
    assert client.get("/looks/default").json == {"rule": "/looks/default", "arguments": {"name": "usual"}}
    moved = client.get("/looks/moved")
    assert (moved.status_code, moved.headers["Location"]) == (308, "http://localhost/looks")


def test_304_has_no_content_headers(client: FlaskClient) -> None:
    known = client.get("/conf", headers={"If-None-Match": "*"})
    assert known.status_code == 304
    assert known.headers["ETag"]
    assert not {"Content-Type", "Content-Length"} & set(known.headers.keys())


@pytest.mark.parametrize("path", ["/looks", "/looks/plain", "/lmc_version"])
def test_methods_match_declaration(client: FlaskClient, path: str) -> None:
    assert client.head(path).status_code == 200
    assert client.head(path).data == b""
    options = client.options(path)
    assert options.status_code == 200
    assert options.allow.as_set(preserve_casing=True) == {"GET", "HEAD", "OPTIONS"}
    refused = client.delete(path)
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]


def test_redirect_is_unchanged(client: FlaskClient) -> None:
    response = client.put("/looks/there")
    assert (response.status_code, response.headers["Location"]) == (302, "/looks")


def test_session_is_disabled(client: FlaskClient) -> None:
    assert client.get("/looks/session").json == {"known": None}
    assert client.get("/looks/session/set").status_code == 500
    assert "Set-Cookie" not in client.get("/looks/session").headers


def test_request_hooks_run(client: FlaskClient) -> None:
    with client.get("/looks/hooks") as response:
        assert response.headers["X-Marked"] == "yes"
        assert response.json == {"closed": 0}
    assert client.get("/looks/hooks").json == {"closed": 1}
    seen: Any = client.get("/looks/before").json
    assert seen[-1] == "looks.seen"


def test_views_and_functions_made_for_a_request_are_freed(client: FlaskClient) -> None:
    for earlier in range(3):
        gc.collect()
        assert client.get("/looks/made").json == [False] * 2 * earlier + [True] * 2


def test_async_view_is_not_treated_as_plain(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/looks/later").status_code == 500
    assert "Install Flask with the 'async' extra" in caplog.text


def test_links_include_mount_path(tmp_path: Path) -> None:
    (tmp_path / "looks_api.py").write_text(PLUGIN)
    app = create_app(make_manager(extra_config={"internal_api_server_trust_loopback": True}), plugin_dirs=[tmp_path])
    client: Any = Client(DispatcherMiddleware(lambda _environ, _start: [], {"/lmcache": app}))
    response: Any = client.get("/lmcache/looks", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert response.json["own"] == "/lmcache/looks"
    assert response.json["rule"] == "/looks"
