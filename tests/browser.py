"""A headless Chromium, driven as a user drives it: by WebDriver over chromedriver's plain HTTP.

WebDriver's clicks are real ones: they fail on what is hidden or covered.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import ROOT, eventually, free_port

CHROMIUM = Path("/usr/bin/chromium")
CHROMEDRIVER = Path("/usr/bin/chromedriver")

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # The key of an element's id, see the W3C's WebDriver.
_ATTEMPTS = 5
_FLAGS = [
    "--headless",
    "--no-sandbox",  # Chromium's sandbox refuses to run as root, as CI does.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # Loopback only, also where there is internet.
    "--window-size=1400,1000",
]


KEYS = {
    "Shift": "\ue008",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Space": " ",
    "Down": "\ue015",
    "Backspace": "\ue003",
}
"""The keys that are no characters, as the W3C's WebDriver encodes them."""


class WebDriverError(Exception):
    """The browser refused a command."""


class Browser:
    """One window. Elements are named by XPath.

    Args:
        port: where chromedriver listens.
        profile: a fresh directory for the user's data.
    """

    def __init__(self, port: int, profile: Path) -> None:
        self._port = port
        self._session = ""
        options = {"binary": str(CHROMIUM), "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        timeouts = {"pageLoad": 120_000, "script": 60_000, "implicit": 30_000}  # Waits for an element, too.
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": timeouts,
            "unhandledPromptBehavior": "ignore",
        }
        created = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/{created['sessionId']}"

    def close(self) -> None:
        """End Chromium."""
        self._call("DELETE", "")

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: str) -> Any:
        """The result of `script` in the page, a function's body."""
        return self._call("POST", "/execute/sync", {"script": script, "args": arguments})

    def click(self, xpath: str) -> None:
        self._on(xpath, "POST", "/click", {})

    def type(self, xpath: str, text: str) -> None:
        self._on(xpath, "POST", "/value", {"text": text})

    def text(self, xpath: str) -> str:
        """What of the element's text is shown."""
        return str(self._on(xpath, "GET", "/text"))

    def hold(self, xpath: str, seconds: float) -> None:
        """Press the mouse button on an element, and release it after some time."""
        element = {_ELEMENT: self._find(xpath).removeprefix("/element/")}
        actions = [
            {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": element},
            {"type": "pointerDown", "button": 0},
            {"type": "pause", "duration": int(seconds * 1000)},
            {"type": "pointerUp", "button": 0},
        ]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a user does: a character, a name of `KEYS`, or `Shift+` and a name."""
        actions = []
        for key in keys:
            *modifiers, last = key.split("+") if len(key) > 1 else [key]
            values = [KEYS[name] for name in modifiers] + [KEYS.get(last, last)]
            actions += [{"type": "keyDown", "value": value} for value in values]
            actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def console(self) -> list[str]:
        """What the console says since the last call: violations of a content security policy, too."""
        return [entry["message"] for entry in self._log("browser")]

    def requested(self) -> list[str]:
        """The URLs that were asked for since the last call, by the browser's own account."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def resize(self, width: int, height: int) -> None:
        """Give the page this size in CSS pixels, also less than the minimum width of a window (500)."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Prefer the color scheme "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def on_each_page(self, script: str) -> str:
        """Run a script at the start of each page from now on; return its id."""
        added = self._devtools("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        return str(added["identifier"])

    def no_longer_on_each_page(self, identifier: str) -> None:
        """Undo `on_each_page`."""
        self._devtools("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})

    def collect(self) -> None:
        """Collect the garbage of the page."""
        self._devtools("HeapProfiler.collectGarbage", {})

    def main_thread_seconds(self) -> float:
        """Return the CPU time of the page's main thread since the first call."""
        self._devtools("Performance.enable", {"timeDomain": "threadTicks"})
        metrics = self._devtools("Performance.getMetrics", {})["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def _devtools(self, command: str, parameters: Mapping[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path) -> None:
        """Write the whole page, also what is below the window, to a PNG file."""
        height = self._devtools("Page.getLayoutMetrics", {})["cssContentSize"]["height"]
        clip = {"x": 0, "y": 0, "width": self.run("return innerWidth"), "height": height, "scale": 1}
        taken = self._devtools("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("POST", "/se/log", {"type": kind})
        return found

    def alert(self) -> str:
        """The text of the alert that opens soon; closes it."""
        assert eventually(self._alert_is_open), "no alert opened"
        text = str(self._call("GET", "/alert/text"))
        self._call("POST", "/alert/accept", {})
        return text

    def _alert_is_open(self) -> bool:
        try:
            self._call("GET", "/alert/text")
        except WebDriverError:
            return False
        return True

    def _find(self, xpath: str) -> str:
        found = self._call("POST", "/element", {"using": "xpath", "value": xpath})
        return f"/element/{found[_ELEMENT]}"

    def _on(self, xpath: str, method: str, command: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a command to an element; again if the page replaced it in between, as a poll does."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._call(method, self._find(xpath) + command, body)
            except WebDriverError as error:
                if "stale element" not in str(error):
                    raise
        return self._call(method, self._find(xpath) + command, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=180)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"/session{self._session}{path}", content)
            response = connection.getresponse()
            value = json.load(response)["value"]
        finally:
            connection.close()
        if response.status != 200:
            raise WebDriverError(f"{method} {path}: {value['error']}: {value['message']}")
        return value


@contextlib.contextmanager
def open_browser(directory: Path) -> Iterator[Browser]:
    """A browser whose files are in `directory`; it is ended, and chromedriver with it."""
    port = free_port()
    command = [str(CHROMEDRIVER), f"--port={port}"]
    with running(command, directory / "chromedriver.log", lambda: answers(port, "/status")):
        browser = Browser(port, directory / "profile")
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, is_up: Callable[[], bool], environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A process, from the moment it is up; it is ended with its children. What it says goes to `log`."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=os.environ | (environ or {}),
            start_new_session=True,
        ) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or is_up(), seconds=180)
            assert is_up(), f"{command} is not up:\n{log.read_text()[-3000:]}"
            yield
        finally:
            # With its children: a chromedriver that is ended leaves its Chromium behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answers(port: int, path: str) -> bool:
    """Whether there is a 200 at `path` on a port of loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
