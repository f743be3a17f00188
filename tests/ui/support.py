"""Shared helpers of the dashboard's tests: servers, and what a user does and sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lmcache_internal import InternalAPIServer
from lmcache_internal.engine.mp.config import MPConfig
from tests.browser import Browser
from tests.mp_support import mp_manager
from tests.support import ROOT, eventually, fetch, free_port

ASSETS = ROOT / "lmcache_internal" / "ui" / "assets"
AXE = ROOT / "tests" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = {
    "overview": "Healthy",
    "doctor": "Nothing found",
    "backends": "LocalCPUBackend",
    "cache": "chunks in memory",
    "configuration": "chunk_size",
    "metadata": "model_name",
    "environment": "PATH",
    "loglevels": "NOTSET",
    "threads": "MainThread",
    "requests": "GET /healthz",
    "scripts": "Run",
    "audit": "Caller",
}
MP_VIEWS = {"overview": "Healthy", "mp": "L2: fs", "cache": "objects in memory", "threads": "MainThread"}


@contextmanager
def mp_serving(directory: Path) -> Iterator[InternalAPIServer]:
    """Run an MP server with the embedded engine."""
    with ExitStack() as stack:
        manager = stack.enter_context(mp_manager(directory / "l2", MPConfig.read("127.0.0.1", free_port(), None)))
        yield stack.enter_context(InternalAPIServer(manager))


def base(server: InternalAPIServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def open_view(browser: Browser, server: InternalAPIServer, view: str = "overview") -> None:
    fetch(server, "/healthz")
    browser.open("about:blank")  # Otherwise, a change of the fragment alone does not load the page again.
    browser.console(), browser.requested()
    browser.open(f"{base(server)}/ui#{view}")
    assert eventually(lambda: "Live" in shown(browser)), shown(browser)


def shown(browser: Browser) -> str:
    """Return the text of the page; the spaces before units do not break lines, and are usual ones here."""
    return str(browser.run("return document.body?.innerText ?? ''")).replace("\u00a0", " ")


def see(browser: Browser, text: str) -> None:
    assert eventually(lambda: text in shown(browser)), shown(browser)


def press(browser: Browser, label: str) -> None:
    browser.click(f"//button[normalize-space()='{label}']")


def fill(browser: Browser, label: str, text: str) -> None:
    """Type a text into the field with a label, instead of what is in it."""
    field = f"//*[@aria-label='{label}']"
    browser.click(field)
    browser.run("document.activeElement.value = ''")
    browser.type(field, text)


def axe_findings(browser: Browser) -> list[tuple[str, str]]:
    """Return what axe-core finds in the page: rule and element."""
    browser.run(AXE.read_text())
    browser.run("window.axeResult = null; axe.run().then((found) => { window.axeResult = found.violations; })")
    assert eventually(lambda: browser.run("return window.axeResult") is not None)
    found: list[dict[str, Any]] = browser.run("return window.axeResult")
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]


def see_dialog(browser: Browser) -> None:
    """Wait for a dialog. Some open only after a request."""
    assert eventually(lambda: bool(browser.run("return document.querySelector('dialog[open]') !== null")))


def key(browser: Browser, name: str) -> None:
    """Press a key on the focused element."""
    event = f"new KeyboardEvent('keydown', {{key: '{name}', bubbles: true, cancelable: true}})"
    browser.run(f"document.activeElement.dispatchEvent({event})")


def manager_of(server: InternalAPIServer) -> Any:
    assert server.app is not None
    return server.app.state.lmcache_adapter


def scrolled(browser: Browser) -> list[str]:
    """Return the page and the parts of it that need horizontal scrolling."""
    found: list[str] = browser.run("""return [document.documentElement, ...document.querySelectorAll('main *')]
        .filter((part, index) => index === 0 || ['auto', 'scroll'].includes(getComputedStyle(part).overflowX))
        .filter((part) => part.scrollWidth > part.clientWidth)
        .map((part) => `${part.tagName} ${part.ariaLabel ?? ''}`)""")
    return found
