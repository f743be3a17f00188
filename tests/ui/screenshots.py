"""Writes screenshots of each view of the dashboard, in three widths, light and dark, to build/screenshots."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.browser import Browser, answers, open_browser, running
from tests.support import ROOT, free_port

VIEWS = ["overview", "backends", "cache", "configuration", "metadata", "environment"]
VIEWS += ["loglevels", "threads", "requests", "scripts", "audit"]
WIDTHS = {400: 900, 1280: 900, 2560: 1440}
TRAFFIC_SECONDS = 40


def main() -> None:
    target = ROOT / "build" / "screenshots"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        start = free_port()
        config = Path(directory) / "lmcache.yaml"
        config.write_text(
            f"internal_api_server_enabled: true\ninternal_api_server_port_start: {start}\nchunk_size: 64\n"
        )
        command = [sys.executable, "-m", "lmcache_internal.cli", "serve", "--config", str(config), "--traffic"]
        port = start + 1
        with (
            running(command, Path(directory) / "log", lambda: answers(port, "/livez")),
            open_browser(Path(directory)) as browser,
        ):
            browser.open(f"http://127.0.0.1:{port}/ui")
            subprocess.run(
                [*command[:3], "loglevel", "lmcache", "DEBUG", "--url", f"http://127.0.0.1:{port}"], check=True
            )
            time.sleep(TRAFFIC_SECONDS)
            for view in VIEWS:
                browser.run("location.hash = arguments[0]", view)
                for width, height in WIDTHS.items():
                    for scheme in ("light", "dark"):
                        shoot(browser, width, height, scheme, target / f"{view}-{width}-{scheme}.png")
    print(f"{len(VIEWS) * len(WIDTHS) * 2} screenshots are in {target}")


def shoot(browser: Browser, width: int, height: int, scheme: str, path: Path) -> None:
    browser.resize(width, height)
    browser.prefer(scheme)
    time.sleep(2.2)  # One poll.
    browser.screenshot(path)


if __name__ == "__main__":
    main()
