"""The documentation site: complete, without broken links, and without requests to other hosts."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from lmcache_internal import api
from tests.browser import CHROMIUM, Browser, open_browser
from tests.cli.commands import leaves
from tests.support import ROOT, eventually
from website.documents import PAGES, navigation

LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("link", "href"),
    ("source", "srcset"),
    ("object", "data"),
}
"""Attributes with a URL that a browser requests without a click."""
_SEARCH = "const search = [...document.querySelectorAll('*')].map(element => element.shadowRoot).find(Boolean);"
NOT_LOADED = {"canonical", "next", "prev", "edit"}


class Content(HTMLParser):
    """What a page loads, and how many elements its article has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.counts: Counter[str] = Counter()
        self.ids: set[str] = set()
        self._in_article = False
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_article |= tag == "article"
        self.counts[tag] += self._in_article
        self.ids.add(given.get("id") or "")
        if given.get("rel") not in NOT_LOADED:
            self.loads += [value for name, value in given.items() if (tag, name) in LOADED and value]

    def handle_endtag(self, tag: str) -> None:
        self._in_article &= tag != "article"


def build(source: Path) -> subprocess.CompletedProcess[str]:
    """Build the site, as `make site` does."""
    return subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict", "-f", source / "mkdocs.yml"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the site, below the checkout, from which modules are documented."""
    directory = ROOT / "build" / f"site-{tmp_path_factory.getbasetemp().name}"
    subprocess.run([sys.executable, "-m", "website", directory], cwd=ROOT, check=True)
    return directory


@pytest.fixture(scope="module")
def site(source: Path) -> Iterator[Path]:
    built = build(source)
    assert built.returncode == 0, built.stdout + built.stderr
    yield source / "html"
    shutil.rmtree(source)


@pytest.fixture(scope="module")
def browser(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of the site."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    handler = functools.partial(_Quiet, directory=str(site))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        open_browser(tmp_path_factory.mktemp("browser")) as opened,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield opened, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_every_document_is_a_page_of_the_navigation(site: Path) -> None:
    listed = {page for pages in navigation((ROOT / "README.md").read_text()).values() for page in pages.values()}
    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} == {
        name for name, page in PAGES.items() if page in listed and name.startswith("docs/")
    }
    home = (site / "index.html").read_text()
    for page in listed:
        assert f'href="{page.removesuffix(".md")}.html"' in home, page


def test_no_page_loads_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    foreign = {(page.name, url) for page in pages for url in Content(page).loads if urlsplit(url).netloc}
    styles = {
        (style.name, url)
        for style in site.rglob("*.css")
        for url in re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", style.read_text())
    }
    assert (foreign, styles) == (set(), set())


@pytest.mark.parametrize("page", ["index", "quickstart", "benchmarks", "reference/api", "reference/openapi", "404"])
def test_a_browser_requests_nothing_from_another_host(browser: tuple[Browser, str], page: str) -> None:
    opened, address = browser
    opened.open("about:blank")
    opened.requested()
    opened.open(f"{address}/{page}.html")
    assert eventually(lambda: opened.run("return document.readyState") == "complete")
    requested = [url for url in opened.requested() if not url.startswith(("data:", "about:", "chrome"))]
    assert f"{address}/{page}.html" in requested
    assert [url for url in requested if not url.startswith(f"{address}/")] == []


def test_the_search_finds_a_page(browser: tuple[Browser, str]) -> None:
    opened, address = browser
    opened.open(f"{address}/index.html")
    opened.requested()
    opened.run("document.querySelector('button.md-search__button').click()")
    assert eventually(lambda: opened.run(f"{_SEARCH} return Boolean(search?.querySelector('input'))"))
    opened.run(f"""{_SEARCH}
        const input = search.querySelector("input");
        input.value = "bulkhead";
        input.dispatchEvent(new Event("input", {{bubbles: true}}));
    """)
    links = f"{_SEARCH} return [...search.querySelectorAll('a')].map(link => link.href).join(' ')"
    assert eventually(lambda: "design.html" in opened.run(links)), opened.run(links)
    assert [url for url in opened.requested() if url.startswith("https:")] == []


def test_the_openapi_documents_are_shown(browser: tuple[Browser, str], site: Path) -> None:
    opened, address = browser
    opened.open(f"{address}/reference/openapi.html")
    assert "POST" in opened.text("//*[@id='swagger-ui']//*[contains(@class, 'opblock-post')]")
    documents = [json.loads((site / "reference" / f"{name}.json").read_text()) for name in ("openapi", "openapi-mp")]
    assert "/run_script" in documents[0]["paths"]
    assert "/quota/{cache_salt}" in documents[1]["paths"]


@pytest.mark.parametrize("document", PAGES)
def test_pages_have_the_structure_of_the_documents(site: Path, document: str) -> None:
    """Python-Markdown and code hosts disagree on lists without an empty line before them, and on indented blocks."""
    text = (ROOT / document).read_text()
    rendered = MarkdownIt().enable("table").render(text)
    expected = {tag: len(re.findall(f"<{tag}[ >]", rendered)) for tag in ("li", "tr", "pre", "h2", "h3", "img")}
    found = Content(site / f"{PAGES[document].removesuffix('.md')}.html").counts
    assert {tag: found[tag] for tag in expected} == expected


def test_what_the_pages_load_is_in_the_site(site: Path) -> None:
    missing = []
    for page in site.rglob("*.html"):
        paths = {urlsplit(url).path for url in Content(page).loads if not urlsplit(url).scheme}
        missing += [
            (page.name, path)
            for path in paths
            if not (site / path[1:] if path.startswith("/") else page.parent / path).exists()
        ]
    assert missing == []


def test_every_public_name_and_command_is_documented(site: Path) -> None:
    names = Content(site / "reference" / "api.html").ids
    external = {"Meta", "Struct"}  # Of msgspec.
    assert {name for name in api.__all__ if f"lmcache_internal.api.{name}" not in names} == external
    commands = (site / "reference" / "commands.html").read_text()
    for path, _ in leaves():
        assert f"lmcache-internal {' '.join(path)}" in commands


@pytest.mark.parametrize("line", ["[x](missing.md)", "[x](cli.md#no-such-section)", "[x](quickstart.md#nowhere)"])
def test_a_broken_link_fails_the_build(source: Path, site: Path, line: str) -> None:  # noqa: ARG001  # The site is built first.
    page = source / "pages" / "quickstart.md"
    before = page.read_text()
    page.write_text(f"{before}\n{line}\n")
    try:
        assert build(source).returncode != 0
    finally:
        page.write_text(before)
