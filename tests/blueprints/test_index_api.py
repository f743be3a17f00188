"""GET /."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer
from lmcache_internal.app import InternalApp
from tests.support import fetch


def test_every_route_is_listed_with_curl(app: InternalApp, client: FlaskClient) -> None:
    response = client.get("/")
    assert response.content_type == "text/plain; charset=utf-8"
    for rule in app.url_map.iter_rules():
        assert re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) in response.text
    assert "curl http://localhost/conf\n" in response.text
    assert "curl -X POST -F script=@FILE http://localhost/run_script\n" in response.text
    assert "curl -X POST -d '{…}' http://localhost/cache/load-fs-chunks\n" in response.text
    assert "curl 'http://localhost/cache/kvcache/check?slot_mapping=…&chunk_size=…'\n" in response.text
    assert "curl -X DELETE http://localhost/backends/{name}\n" in response.text


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
def test_a_browser_is_led_to_the_dashboard(client: FlaskClient, accept: str) -> None:
    response = client.get("/", headers={"Accept": accept}, environ_overrides={"SCRIPT_NAME": "/engine"})
    assert (response.status_code, response.headers["Location"]) == (302, "/engine/ui")
    client.environ_base = {"REMOTE_ADDR": "192.0.2.1"}  # A stranger: the dashboard asks for the token.
    response = client.get("/", headers={"Accept": accept})
    assert response.status_code == 302
    assert "WWW-Authenticate" not in response.headers
    assert client.get("/", headers={"Accept": "*/*"}).status_code == 401


def test_json_is_sent_on_request(client: FlaskClient) -> None:
    body = client.get("/", headers={"Accept": "application/json"}).get_json()
    (entry,) = [entry for entry in body if (entry["method"], entry["path"]) == ("POST", "/conf")]
    assert entry["summary"].startswith("Update configuration values")
    assert all(entry["summary"] for entry in body)


def test_curl_commands_work(server: InternalAPIServer) -> None:
    text = fetch(server, "/", headers={"Host": f"localhost:{server.port}"})[1].decode()
    if server.socket_path:
        assert f"curl --unix-socket {server.socket_path} http://localhost/conf\n" in text
    else:
        assert f"curl http://localhost:{server.port}/conf\n" in text
