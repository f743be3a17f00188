"""The internal API does not change the behavior of the host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Blueprint, Flask, Response, abort, current_app, request

from lmcache_internal import EmbeddedManager, InternalAPI
from tests.integrations.support import internal_apps
from tests.support import ROOT


def fail() -> str:
    raise ZeroDivisionError


def test_errors_are_handled_by_the_app_that_raised_them(
    host: Flask, manager: EmbeddedManager, plugin_dir: Path
) -> None:
    InternalAPI(host, manager, plugin_dirs=[plugin_dir])
    host.add_url_rule("/fails", "fails", fail)
    client = host.test_client()
    assert client.get("/fails").text == "the host's error"
    assert client.get("/nowhere").text == "the host's 404"
    assert client.get("/lmcache/faulty").get_json()["error"] == "Internal server error"
    assert client.get("/lmcache/nowhere").get_json()["error"] == "Not Found"
    assert client.delete("/lmcache/conf").get_json()["error"] == "Method Not Allowed"


def test_errors_are_handled_separately_in_debug_mode(
    monkeypatch: pytest.MonkeyPatch, manager: EmbeddedManager, plugin_dir: Path
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    host = Flask("host")
    assert host.debug
    host.add_url_rule("/fails", "fails", fail)
    InternalAPI(host, manager, plugin_dirs=[plugin_dir])
    client = host.test_client()
    with pytest.raises(ZeroDivisionError):  # Flask raises it for the debugger.
        client.get("/fails")
    assert client.get("/lmcache/faulty").get_json()["error"] == "Internal server error"


def test_hooks_run_only_for_their_own_app(host: Flask, manager: EmbeddedManager, plugin_dir: Path) -> None:
    seen: list[str] = []
    host.before_request(lambda: abort(403))
    host.register_error_handler(403, lambda _: ("the host's 403", 403))

    @host.after_request
    def after(response: Response) -> Response:
        seen.append(f"after {request.path}")
        return response

    host.teardown_request(lambda _: seen.append(f"teardown {request.path}"))
    host.teardown_appcontext(lambda _: seen.append("teardown app"))
    InternalAPI(host, manager, plugin_dirs=[plugin_dir])
    client = host.test_client()
    internal = client.get("/lmcache/where")
    assert (internal.status_code, internal.headers["X-Frame-Options"]) == (200, "DENY")
    assert seen == []
    assert internal_apps(host)["/lmcache"].state.teardowns == 1
    page = client.get("/page")
    assert (page.text, "X-Frame-Options" in page.headers) == ("the host's 403", False)
    assert seen == ["after /page", "teardown /page", "teardown app"]
    assert internal_apps(host)["/lmcache"].state.teardowns == 1


def test_view_of_the_host_can_call_the_api(host: Flask, manager: EmbeddedManager, plugin_dir: Path) -> None:
    InternalAPI(host, manager, plugin_dirs=[plugin_dir])
    order: list[str] = []
    host.teardown_request(lambda _: order.append("host"))
    internal = internal_apps(host)["/lmcache"]
    internal.teardown_request(lambda _: order.append("internal"))

    def ask() -> list[object]:
        response = internal.test_client().get("/where").get_json()["app"]
        return [response, current_app.config["HOST_NAME"], request.path, list(order)]

    host.add_url_rule("/ask", "ask", ask)
    assert host.test_client().get("/ask").get_json() == ["InternalApp", "the host", "/ask", ["internal"]]
    assert order == ["internal", "host"]


def test_blueprints_of_the_host_may_have_the_same_names(host: Flask, manager: EmbeddedManager) -> None:
    before = Blueprint("conf", __name__)
    before.add_url_rule("/shop", "shop", lambda: "before")
    host.register_blueprint(before)
    InternalAPI(host, manager)
    after = Blueprint("metrics", __name__)
    after.add_url_rule("/metrics", "metrics", lambda: "after")
    host.register_blueprint(after)
    client = host.test_client()
    assert (client.get("/shop").text, client.get("/metrics").text) == ("before", "after")
    assert client.get("/lmcache/conf").status_code == 200
    assert "process_" in client.get("/lmcache/metrics").text


def test_application_factory_can_create_several_hosts(manager: EmbeddedManager) -> None:
    extension = InternalAPI()
    hosts = []
    for name in ("one", "two"):
        made = Flask(name)
        extension.init_app(made, manager)
        hosts.append(made)
    assert internal_apps(hosts[0])["/lmcache"] is not internal_apps(hosts[1])["/lmcache"]
    assert [made.test_client().get("/lmcache/conf").status_code for made in hosts] == [200, 200]


PROJECT = {
    "blueprints/__init__.py": "",
    "blueprints/metrics_api.py": """
from flask import Blueprint
router = Blueprint("metrics", __name__)
router.add_url_rule("/metrics", "metrics", lambda: "the project's metrics")
""",
    "project.py": """
from flask import Flask
from lmcache_internal import InternalAPI
from tests.support import make_manager

internal_api = InternalAPI()

def create_app():
    from blueprints.metrics_api import router
    app = Flask(__name__)
    app.register_blueprint(router)
    internal_api.init_app(app, make_manager())
    return app
""",
    "ask.py": """
from project import create_app
client = create_app().test_client()
print(client.get("/metrics").text, "lmcache:num_stored_tokens" in client.get("/lmcache/metrics").text)
""",
}


def test_project_may_have_a_package_called_blueprints(tmp_path: Path) -> None:
    for name, source in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    command = [sys.executable, "ask.py"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "the project's metrics True\n", ended.stderr
