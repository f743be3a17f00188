"""Without a prefix, the routes of the host come first."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, request

from lmcache_internal import EmbeddedManager, InternalAPI


@pytest.fixture(params=["", "/", None])
def mounted(request: pytest.FixtureRequest, host: Flask, manager: EmbeddedManager) -> Flask:
    InternalAPI(host, manager, url_prefix=request.param)
    return host


def test_path_of_the_internal_app_only_is_served_by_it(mounted: Flask) -> None:
    client = mounted.test_client()
    assert client.get("/conf").get_json(force=True)["chunk_size"] == 16
    assert client.post("/conf", json={"min_retrieve_tokens": 5}).status_code == 200
    assert "/conf" in client.get("/").text
    refused = client.delete("/conf")
    assert (refused.status_code, refused.get_json()["error"]) == (405, "Method Not Allowed")


def test_all_other_paths_are_served_by_the_host(mounted: Flask) -> None:
    client = mounted.test_client()
    assert client.get("/page").text == "the host's page"
    for path in ("/nowhere", "/conf/nowhere", "/favicon.ico", "/readyzz"):
        assert client.get(path).text == "the host's 404"


def test_routes_of_the_host_come_first_with_any_method(mounted: Flask) -> None:
    mounted.add_url_rule("/conf", "conf", lambda: "the host's conf")
    mounted.add_url_rule("/meta/", "meta", lambda: "the host's meta")
    mounted.add_url_rule("/", "home", lambda: "the host's home")
    client = mounted.test_client()
    assert (client.get("/").text, client.get("/conf").text) == ("the host's home", "the host's conf")
    assert client.post("/conf", json={"min_retrieve_tokens": 5}).text == "the host's error"  # The 405 of the host.
    assert client.get("/metrics").status_code == 200
    assert client.get("/meta/").text == "the host's meta"


def test_redirect_of_the_host_is_kept(manager: EmbeddedManager) -> None:
    host = Flask("host")
    host.add_url_rule("/meta/", "meta", lambda: "the host's meta")
    InternalAPI(host, manager, url_prefix="")
    assert host.test_client().get("/meta").headers["Location"].endswith("/meta/")


def test_catch_all_route_of_the_host_receives_all_requests(mounted: Flask) -> None:
    mounted.add_url_rule("/<path:path>", "page_of_one_page_app", lambda path: f"page {path}")
    client = mounted.test_client()
    assert client.get("/conf").text == "page conf"
    assert client.get("/nowhere").text == "page nowhere"


def test_static_files_of_the_host_come_first(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "conf").write_text("a file")
    host = Flask("host", root_path=str(tmp_path))
    InternalAPI(host, manager, url_prefix="")
    client = host.test_client()
    assert client.get("/static/conf", buffered=True).text == "a file"
    assert client.get("/static/metrics").mimetype == "text/html"  # The 404 of Flask.
    assert client.get("/conf").get_json(force=True)["chunk_size"] == 16


def test_untrusted_host_header_is_refused_by_the_host(mounted: Flask) -> None:
    mounted.config["TRUSTED_HOSTS"] = ["localhost"]
    client = mounted.test_client()
    assert client.get("/conf").status_code == 200
    assert client.get("/conf", headers={"Host": "evil.example"}).text == "the host's error"


def test_body_for_the_host_is_not_consumed(mounted: Flask) -> None:
    mounted.add_url_rule("/echo", "echo", lambda: request.get_data(), methods=["POST"])
    assert mounted.test_client().post("/echo", data=b"body").data == b"body"


def test_empty_and_nonempty_prefix_can_be_combined(mounted: Flask) -> None:
    InternalAPI(mounted, None, "/other")
    client = mounted.test_client()
    assert (client.get("/readyz").status_code, client.get("/other/readyz").status_code) == (200, 503)
    assert client.get("/other/nowhere").get_json()["error"] == "Not Found"
