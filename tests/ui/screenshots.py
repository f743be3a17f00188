"""Writes screenshots of each view of the dashboard, in three widths, light and dark, to build/screenshots."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

from tests.browser import Browser, answers, open_browser, running
from tests.support import ROOT, free_port

VIEWS = ["overview", "doctor", "backends", "cache", "configuration", "metadata", "environment"]
VIEWS += ["loglevels", "threads", "requests", "scripts", "audit"]
PRESSED = {"cache": "Look up and explain", "threads": "Take a profile", "scripts": "Run…"}
"""The button of a view whose result is shown."""
WIDTHS = {400: 900, 1280: 900, 2560: 1440}
TRAFFIC_SECONDS = 40
DRAWN_SECONDS = 0.5
CLI = [sys.executable, "-m", "lmcache_internal.cli"]


def main() -> None:
    target = ROOT / "build" / "screenshots"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, open_browser(Path(directory)) as browser:
        of_rank(browser, Path(directory), target)
        of_mp_server(browser, Path(directory), target)
    print(f"{len(list(target.glob('*.png')))} screenshots are in {target}")


def of_rank(browser: Browser, directory: Path, target: Path) -> None:
    """Show a worker with traffic and some changes."""
    start = free_port(2)
    config = directory / "lmcache.yaml"
    settings = {
        "internal_api_server_enabled": "true",
        "internal_api_server_port_start": start,
        "chunk_size": 64,
        "local_disk": directory / "disk",
        "max_local_disk_size": 0.5,
        "run_script_api_enabled": "true",
    }
    config.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    url = f"http://127.0.0.1:{start + 1}"
    command = [*CLI, "serve", "--config", str(config), "--traffic"]
    with running(command, directory / "log", lambda: answers(start + 1, "/livez")):
        browser.open(f"{url}/ui")
        time.sleep(TRAFFIC_SECONDS)
        for change in (
            ["loglevel", "lmcache", "DEBUG"],
            ["conf", "set", "min_retrieve_tokens=64", "--yes"],
            ["bypass", "add", "RemoteBackend"],
        ):
            subprocess.run([*CLI, *change, "--url", url], check=True, stdout=subprocess.DEVNULL)
        time.sleep(TRAFFIC_SECONDS / 2)
        for view in VIEWS:
            show(browser, view, target)


def of_mp_server(browser: Browser, directory: Path, target: Path) -> None:
    """Show an MP server with quotas."""
    port = free_port()
    command = [*CLI, "serve", "--mp", str(port), "--workers", "2"]
    with running(command, directory / "mp-log", lambda: answers(port, "/livez")):
        for salt, limit in (("alice", 0.5), ("bob", 2)):
            body = json.dumps({"limit_gb": limit}).encode()
            urlopen(Request(f"http://127.0.0.1:{port}/quota/{salt}", body, method="PUT")).close()
        browser.open(f"http://127.0.0.1:{port}/ui")
        time.sleep(5)
        show(browser, "mp", target)


def show(browser: Browser, view: str, target: Path) -> None:
    """Write the screenshots of a view."""
    browser.run("location.hash = arguments[0]", view)
    time.sleep(2.2)  # One poll.
    if view in PRESSED:
        browser.click(f"//button[.='{PRESSED[view]}']")
        if view == "scripts":
            browser.click("//dialog//button[.='Apply']")
        time.sleep(6)  # A profile of 200 samples.
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            shoot(browser, width, height, scheme, target / f"{view}-{width}-{scheme}.png")
    browser.resize(1280, 900)


def shoot(browser: Browser, width: int, height: int, scheme: str, path: Path) -> None:
    browser.resize(width, height)
    browser.prefer(scheme)
    time.sleep(DRAWN_SECONDS)
    browser.screenshot(path)


if __name__ == "__main__":
    main()
