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
