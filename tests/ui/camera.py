"""Takes screenshots of what the browser shows, in three widths, light and dark."""

from __future__ import annotations

import time
from pathlib import Path

from tests.browser import Browser

WIDTHS = {400: 900, 1280: 900, 2560: 1440}
SCHEMES = ("light", "dark")
POLL_SECONDS = 2.2
DRAWN_SECONDS = 0.5


class Camera:
    """Takes screenshots of the pages that a browser opens.

    Args:
        browser: the window.
        target: the directory of the files.
    """

    def __init__(self, browser: Browser, target: Path) -> None:
        self.browser = browser
        self.target = target

    def go(self, view: str) -> None:
        """Open a view of the page, and wait for its data."""
        self.browser.run("location.hash = arguments[0]", view)
        time.sleep(POLL_SECONDS)

    def press(self, label: str) -> None:
        self.browser.click(f"//button[normalize-space()='{label}']")
        time.sleep(DRAWN_SECONDS)

    def take(self, name: str) -> None:
        """Write the screenshots of the whole page as it is now."""
        for width, height in WIDTHS.items():
            self.browser.resize(width, height)
            for scheme in SCHEMES:
                self.browser.prefer(scheme)
                time.sleep(DRAWN_SECONDS)
                self.browser.screenshot(self.target / f"{name}-{width}-{scheme}.png")
        self.browser.resize(1280, 900)
