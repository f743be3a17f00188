"""The page plugin of docs/plugins.md, without a browser and in a real one."""

from __future__ import annotations

from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from lmcache_internal import create_app
from tests.browser import CHROMEDRIVER, CHROMIUM, open_browser
from tests.docs.blocks import blocks_of
from tests.security.support import bearer, serving, token_file
from tests.support import ROOT, eventually, make_manager

SAFE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A directory with the files of the documented page plugin."""
    for block in blocks_of(ROOT, "docs/plugins.md"):
        path = tmp_path / block.words.get("file", "")
        if "board" in path.name:
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    return tmp_path


def test_the_page_and_its_parts_are_public_and_its_data_are_not(board: Path) -> None:
    path, tokens = token_file(board, viewer="viewer")
    with make_manager(extra_config={"internal_api_server_tokens_file": str(path)}) as manager:
        client = create_app(manager, [board]).test_client()
        client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
        shown = {
            path: client.get(f"/board{path}", buffered=True)
            for path in ("", "/parts/board.js", "/parts/board.css", "/state")
        }
        assert [answer.status_code for answer in shown.values()] == [200, 200, 200, 401]
        assert "script-src 'self'" in shown[""].headers["Content-Security-Policy"]
        assert shown["/parts/board.js"].headers["Content-Security-Policy"] == SAFE
        assert client.get("/board/state", headers=bearer(tokens["viewer"])).get_json() == {"frozen": False}


@pytest.mark.parametrize("name", ["../board_api.py", "%2e%2e/board_api.py", "/etc/passwd", "none.js"])
def test_no_file_but_a_part_is_sent(board: Path, name: str) -> None:
    assert create_app(None, [board]).test_client().get(f"/board/parts/{name}").status_code == 404


def test_the_page_is_served_by_each_app_and_at_a_mount_point(board: Path) -> None:
    apps = [create_app(None, [board]) for _ in range(2)]
    for app in apps:
        html = app.test_client().get("/board", environ_overrides={"SCRIPT_NAME": "/engine"}).text
        assert 'src="/engine/board/parts/board.js"' in html


@pytest.mark.skipif(not (CHROMIUM.exists() and CHROMEDRIVER.exists()), reason="needs Chromium and its driver")
def test_the_page_works_in_a_browser(board: Path) -> None:
    with serving(board, extra={"plugin_dirs": [str(board)]}) as server, open_browser(board) as browser:
        browser.open(f"http://127.0.0.1:{server.port}/board")
        assert eventually(lambda: browser.text("//output") == "not frozen")
        assert browser.run("return getComputedStyle(document.querySelector('output')).fontWeight") == "700"
        urlopen(Request(f"http://127.0.0.1:{server.port}/freeze/enable", method="PUT")).close()
        browser.click("//button")
        assert eventually(lambda: browser.text("//output") == "frozen")
        assert [line for line in browser.console() if "favicon" not in line] == []


@pytest.mark.skipif(not (CHROMIUM.exists() and CHROMEDRIVER.exists()), reason="needs Chromium and its driver")
def test_the_navigation_links_to_the_page(board: Path) -> None:
    with serving(board, extra={"plugin_dirs": [str(board)]}) as server, open_browser(board) as browser:
        browser.open(f"http://127.0.0.1:{server.port}/ui")
        browser.click("//nav/a[.='Board']")
        assert eventually(lambda: browser.text("//output") == "not frozen")


def test_the_session_lists_the_page_for_viewers_alone(board: Path) -> None:
    path, tokens = token_file(board, viewer="viewer")
    with make_manager(extra_config={"internal_api_server_tokens_file": str(path)}) as manager:
        client = create_app(manager, [board]).test_client()
        client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
        assert client.get("/ui/session").get_json()["pages"] == []
        pages = client.get("/ui/session", headers=bearer(tokens["viewer"])).get_json()["pages"]
        assert pages == [{"title": "Board", "path": "/board", "role": "viewer"}]


PLUGIN = """
from flask import Blueprint
from lmcache_internal.api import Page, Role, operation
router = Blueprint("p", __name__, url_prefix="/p")

@router.get("")
@operation(action="show", access=Role.PUBLIC)
def show() -> str:
    return ""

@router.get("/of/<name>")
@operation(action="show", access=Role.PUBLIC)
def of(name: str) -> str:
    return name

@router.post("/only")
@operation(action="change", access=Role.ADMIN)
def only() -> str:
    return ""

"""


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("page = Page('A' * 40, '/p', Role.ADMIN)", ""),
        ("page = None", ""),
        ("def page(): pass", ""),
        ("page = ('A', '/p')", "must be a Page"),
        ("page = Page", "must be a Page"),
        ("page = [Page('A', '/p')]", "must be a Page"),
        ("page = Page('', '/p')", "1 to 40 characters; got ''"),
        ("page = Page(' ', '/p')", "1 to 40 characters"),
        ("page = Page('A' * 41, '/p')", "1 to 40 characters"),
        ("page = Page(5, '/p')", "1 to 40 characters; got 5"),
        ("page = Page('A', '/p', 'admin')", "must be a Role"),
        ("page = Page('A', 'p')", "no GET route of it; it has: /p"),
        ("page = Page('A', '/p/only')", "no GET route of it"),
        ("page = Page('A', '/p/of/<name>')", "no GET route of it"),
        ("page = Page('A', 'https://example.com')", "no GET route of it"),
        ("page = Page('A', '/conf')", "no GET route of it"),
        ("page = Page('A', None)", "no GET route of it"),
    ],
)
def test_a_wrong_page_is_reported_and_the_plugin_is_not_served(tmp_path: Path, declaration: str, reason: str) -> None:
    (tmp_path / "page_api.py").write_text(PLUGIN + declaration)
    app = create_app(None, [tmp_path])
    plugins = app.extensions["lmcache_internal"]
    assert reason in str(plugins.failed)
    assert app.test_client().get("/p").status_code == (404 if reason else 200)
    assert len(plugins.pages) == ("Role.ADMIN" in declaration and not reason)
