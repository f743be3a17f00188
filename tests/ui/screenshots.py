"""Writes screenshots of each view of the dashboard, in three widths, light and dark, to build/screenshots.

Arguments choose scenes: `python -m tests.ui.screenshots rank fleet`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

from tests.browser import answers, open_browser, running
from tests.security.support import serving, token_file
from tests.support import ROOT, free_port
from tests.ui.camera import Camera
from tests.ui.fleet_support import gateway_process

VIEWS = ["overview", "doctor", "backends", "cache", "configuration", "metadata", "environment"]
VIEWS += ["loglevels", "threads", "requests", "scripts", "audit"]
PRESSED = {"cache": ["Look up and explain"], "threads": ["Take a profile"], "scripts": ["Run…", "Apply"]}
"""The buttons of a view whose result is shown."""
WORKERS = 6
TRAFFIC_SECONDS = 40
CLI = [sys.executable, "-m", "lmcache_internal.cli"]


def main(chosen: list[str]) -> None:
    target = ROOT / "build" / "screenshots"
    target.mkdir(parents=True, exist_ok=True)
    scenes: dict[str, Callable[[Camera, Path], None]] = {"rank": rank, "viewer": viewer, "mp": mp, "fleet": fleet}
    with tempfile.TemporaryDirectory() as directory, open_browser(Path(directory)) as browser:
        for name in chosen or scenes:
            files = Path(directory, name)
            files.mkdir()
            scenes[name](Camera(browser, target), files)
    print(f"{len(list(target.glob('*.png')))} screenshots are in {target}")


def rank(camera: Camera, directory: Path) -> None:
    """A worker with traffic and some changes."""
    with traffic(directory, workers=1) as (_, url):
        camera.browser.open(f"{url}/ui")
        time.sleep(TRAFFIC_SECONDS)
        change(url, "loglevel", "lmcache", "DEBUG")
        change(url, "conf", "set", "min_retrieve_tokens=64", "--yes")
        change(url, "bypass", "add", "RemoteBackend")
        time.sleep(TRAFFIC_SECONDS / 2)
        for view in VIEWS:
            camera.go(view)
            for label in PRESSED.get(view, []):
                camera.press(label)
            time.sleep(6 if view in PRESSED else 0)  # A profile of 200 samples.
            camera.take(view)
        camera.go("backends")
        camera.browser.run("document.querySelector('tbody tr:nth-child(2) button:last-child').click()")
        camera.take("dialog")


def viewer(camera: Camera, directory: Path) -> None:
    """Views where the role does not allow all changes."""
    path, tokens = token_file(directory, viewer="viewer")
    with serving(directory, extra={"tokens_file": str(path), "trust_loopback": False}) as server:
        camera.browser.open(f"http://127.0.0.1:{server.port}/ui")
        camera.take("viewer-login")
        camera.browser.type("//input[@aria-label='Token']", tokens["viewer"])
        camera.press("Use token")
        for view in ("backends", "configuration", "scripts"):
            camera.go(view)
            camera.take(f"viewer-{view}")


def mp(camera: Camera, directory: Path) -> None:
    """An MP server with quotas."""
    port = free_port()
    command = [*CLI, "serve", "--mp", str(port), "--workers", "2"]
    with running(command, directory / "log", lambda: answers(port, "/livez")):
        for salt, limit in (("alice", 0.5), ("bob", 2)):
            body = json.dumps({"limit_gb": limit}).encode()
            urlopen(Request(f"http://127.0.0.1:{port}/quota/{salt}", body, method="PUT")).close()
        camera.browser.open(f"http://127.0.0.1:{port}/ui")
        time.sleep(5)
        camera.go("mp")
        camera.take("mp")


def fleet(camera: Camera, directory: Path) -> None:
    """Ranks of which one is frozen, one bypasses a backend, one has another setting, and one is down."""
    with traffic(directory, WORKERS) as urls:
        change(urls[1], "freeze", "on")
        change(urls[2], "bypass", "add", "LocalDiskBackend")
        change(urls[4], "conf", "set", "min_retrieve_tokens=64", "--yes")
        change(urls[4], "loglevel", "lmcache", "DEBUG")
        with gateway_process("--config", str(directory / "lmcache.yaml"), "--index", f"0-{WORKERS + 1}") as (_, link):
            camera.browser.open(link)
            time.sleep(TRAFFIC_SECONDS)
            for view in ("ranks", "charts", "configuration", "loglevels", "threads"):
                camera.go(view)
                camera.take(f"fleet-{view}")
            camera.go("explain")
            camera.press("Look up and explain")
            camera.take("fleet-explain")
            search(camera)
            propose(camera)


def search(camera: Camera) -> None:
    camera.go("search")
    camera.browser.type("//input[@aria-label='Search the fleet']", "retrieve")
    camera.browser.click("//main//button[.='Search']")
    time.sleep(3)
    camera.take("fleet-search")


def propose(camera: Camera) -> None:
    """Show the dialog of a change of three ranks."""
    camera.go("ranks")
    for number in (1, 2, 3):
        camera.browser.click(f"//input[@aria-label='Choose {number} worker {number - 1}']")
    camera.take("fleet-chosen")
    camera.go("configuration")
    camera.browser.type("//label[contains(., 'Setting')]/input", "pin_timeout_sec")
    camera.browser.type("//label[contains(., 'Value')]/input", "120")
    camera.press("Check…")
    camera.take("fleet-dialog")


@contextlib.contextmanager
def traffic(directory: Path, workers: int) -> Iterator[list[str]]:
    """The URLs of a scheduler and workers with traffic and a disk."""
    start = free_port(workers + 2)
    settings = {
        "internal_api_server_enabled": "true",
        "internal_api_server_port_start": start,
        "chunk_size": 64,
        "local_disk": directory / "disk",
        "max_local_disk_size": 0.5,
        "run_script_api_enabled": "true",
    }
    config = directory / "lmcache.yaml"
    config.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    command = [*CLI, "serve", "--config", str(config), "--workers", str(workers), "--traffic"]
    ports = range(start, start + workers + 1)
    with running(command, directory / "log", lambda: all(answers(port, "/livez") for port in ports)):
        yield [f"http://127.0.0.1:{port}" for port in ports]


def change(url: str, *command: str) -> None:
    subprocess.run([*CLI, *command, "--url", url], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1:])
