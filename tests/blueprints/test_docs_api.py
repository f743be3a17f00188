"""GET /docs: without a browser, and in a real one."""

from __future__ import annotations

import contextlib
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from lmcache_internal import EmbeddedManager, InternalAPI, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.openapi.pages import POLICY
from tests.browser import CHROMEDRIVER, CHROMIUM, Browser, open_browser
from tests.http_server import running
from tests.security.support import app_with, bearer, prefixed, serving, token_file
from tests.support import eventually, make_manager

PARTS = {
    "index.css": "text/css; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "interactive.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
AS_BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

SCRIPTED = '''
from flask import Blueprint

router = Blueprint("scripted", __name__)


@router.get("/<kind>/scripted")
def scripted(kind):
    """<script>alert("here")</script> & more."""
'''


def policy(header: str) -> dict[str, str]:
    return dict(directive.strip().split(" ", 1) for directive in header.split(";"))


def test_page_links_assets_and_has_no_inline_code(client: FlaskClient) -> None:
    response = client.get("/docs")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert set(re.findall(r'(?:href|src)="/docs/([^"]*)"', response.text)) == PARTS.keys()
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=|javascript:|https?:", response.text) == []
    assert client.get("/docs/").text == response.text


def test_page_policy_forbids_other_origins(client: FlaskClient) -> None:
    found = policy(client.get("/docs").headers["Content-Security-Policy"])
    assert found.pop("img-src") == "'self' data:"
    assert found == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "script-src" not in client.get("/conf").headers["Content-Security-Policy"]


@pytest.mark.parametrize(("name", "content_type"), PARTS.items())
def test_assets_are_served(client: FlaskClient, name: str, content_type: str) -> None:
    response = client.get(f"/docs/{name}")
    assert (response.status_code, response.content_type) == (200, content_type)
    assert response.data


@pytest.mark.parametrize(
    "name",
    [
        *("LICENSE", "VERSION", "swagger-ui.js", "oauth2-redirect.html", "interactive.html", "__init__.py", "nope"),
        *("../setup.py", "..%2f__init__.py", "%2e%2e%2fapp.py", "%2fetc%2fpasswd", "index.css%00", "."),
    ],
)
def test_other_files_are_not_served(client: FlaskClient, name: str) -> None:
    response = client.get(f"/docs/{name}")
    assert (response.status_code, response.content_type) == (404, "application/json")


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_swagger_ui", None)  # As if it were not installed.


@pytest.mark.usefixtures("no_extra")
def test_page_without_extra_is_a_plain_list(app: InternalApp, client: FlaskClient) -> None:
    response = client.get("/docs")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        assert f"<code>{path}</code>" in response.text
    row = ["PUT", "<code>/freeze/enable</code>", "Enable freeze mode (read-only cache).", "operator"]
    assert "".join(f"<td>{cell}</td>" for cell in row) in response.text
    assert "pip install flask-swagger-ui" in response.text
    assert "<script" not in response.text
    assert client.get("/docs/swagger-ui.css").status_code == 404


@pytest.mark.usefixtures("no_extra")
def test_plugin_text_is_escaped(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "scripted_api.py").write_text(SCRIPTED)
    text = create_app(manager, [tmp_path]).test_client().get("/docs").text
    assert "<script" not in text
    assert '<script>alert("here")</script> & more.' in html.unescape(text)


@pytest.mark.usefixtures("no_extra")
def test_plain_list_links_include_mount_path(manager: EmbeddedManager) -> None:
    app = create_app(manager)
    text = app.test_client().get("/docs", base_url="http://localhost/lm%22<cache").text
    assert '<a href="/lm&#34;&lt;cache/openapi.json">' in text
    assert "<code>/lm&#34;&lt;cache/conf</code>" in text


def test_browser_without_token_gets_401_with_login_page(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        page = client.get("/docs", headers=bearer(tokens["reader"])).text
        refused = client.get("/docs", headers=AS_BROWSER)
        assert (refused.status_code, refused.content_type) == (401, "text/html; charset=utf-8")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.headers["Content-Security-Policy"] == POLICY
        assert refused.text == page
        assert "/conf" not in page
        assert client.get("/openapi.json", headers=AS_BROWSER).content_type == "application/json"
        assert client.get("/conf", headers=AS_BROWSER).content_type == "application/json"
        for name in PARTS:
            assert client.get(f"/docs/{name}").status_code == 200


def test_other_clients_without_token_get_json_401(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = token_file(tmp_path, reader="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            response = client.get("/docs", headers=headers)
            assert (response.status_code, response.content_type) == (401, "application/json")
        monkeypatch.setitem(sys.modules, "flask_swagger_ui", None)
        response = client.get("/docs", headers=AS_BROWSER)
        assert (response.status_code, response.content_type) == (401, "application/json")


pytest_browser = pytest.mark.skipif(
    not (CHROMIUM.exists() and CHROMEDRIVER.exists()), reason="needs Debian's chromium and chromium-driver"
)
TOKEN, SHOW = "//*[@id='token']", "//*[@id='sign-in']//button"
SELECT_ALL = "\ue009a\ue000"  # Control+A as WebDriver key codes.


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def browser(window: Browser) -> Browser:
    """A browser with an empty log."""
    window.console()
    window.requested()
    return window


@contextlib.contextmanager
def mounted(token_path: Path) -> Iterator[str]:
    """Yield the URL of an internal API with tokens that is mounted in another app on another server."""
    with make_manager(extra_config=prefixed({"tokens_file": str(token_path)})) as manager:
        host = Flask("host")
        InternalAPI(host, manager, "/lmcache")
        with running(make_server("127.0.0.1", 0, host, threaded=True)) as url:
            yield f"{url}/lmcache"


def try_out(browser: Browser, name: str) -> str:
    """Expand an operation, execute it, and return the displayed response."""
    shown = "return document.querySelector('.opblock') !== null"
    assert eventually(lambda: bool(browser.run(shown)), seconds=60)  # Rendering is slow on a busy machine.
    operation = f"//*[@id='operations-{name}']"
    browser.click(f"{operation}//button[contains(@class, 'opblock-summary-control')]")
    browser.click(f"{operation}//button[text()='Try it out ']")
    browser.click(f"{operation}//button[text()='Execute']")
    return browser.text(answer_of(name))


def answer_of(name: str) -> str:
    return f"//*[@id='operations-{name}']//table[contains(@class, 'live-responses-table')]"


def origins(browser: Browser) -> set[str]:
    """Return the origins of the page's requests, except the browser's own and data URLs."""
    urls = [urlsplit(url) for url in browser.requested()]
    return {f"{url.scheme}://{url.netloc}" for url in urls if url.scheme not in ("chrome", "data")}


@pytest_browser
def test_browser_reads_and_calls_endpoints(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}"
        browser.open(f"{url}/docs")
        assert '"0.1.0+embedded"' in try_out(browser, "version-version_lmc_version")
        assert "Update configuration values" in browser.text("//*[@id='operations-conf-conf_set_config']")
        assert '"freeze": true' in try_out(browser, "freeze-freeze_enable")
        assert origins(browser) == {url}
        assert browser.console() == []


@pytest_browser
def test_browser_sends_tokens_to_mounted_app(browser: Browser, tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, reader="viewer", boss="admin")
    with mounted(path) as url:
        browser.open(f"{url}/docs")
        browser.type(TOKEN, "wrong")
        browser.click(SHOW)
        assert eventually(lambda: browser.text("//*[@id='refusal']") == "The token is not valid.")
        browser.type(TOKEN, f"{SELECT_ALL}{tokens['reader']}")
        browser.click(SHOW)
        assert '"0.1.0+embedded"' in try_out(browser, "version-version_lmc_version")
        assert not browser.run("return document.getElementById('sign-in').checkVisibility()")
        assert "Requires role admin; this token (reader) has role viewer" in try_out(browser, "env-env_environment")

        browser.click("//*[contains(@class, 'auth-wrapper')]/button")
        browser.click("//button[text()='Logout']")
        browser.type("//*[contains(@class, 'auth-container')]//input", tokens["boss"])
        browser.click("//button[text()='Authorize' and @type='submit']")
        browser.click("//button[contains(@class, 'btn-done')]")
        browser.click("//*[@id='operations-env-env_environment']//button[text()='Execute']")
        assert eventually(lambda: '"PATH"' in browser.text(answer_of("env-env_environment")))

        assert origins(browser) == {url.removesuffix("/lmcache")}
        # The browser logs each 401 and 403; anything else, such as a policy violation, is an error.
        assert [line for line in browser.console() if not re.search(r"status of 40[13]", line)] == []
