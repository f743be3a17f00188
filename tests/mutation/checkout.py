"""A copy of the checkout, in which code is broken and tests are run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAX_SECONDS = 180.0


class Checkout:
    """A copy of the checkout in `folder`; the checkout itself is only read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._normal_seconds: dict[str, float] = {}
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True)
        for name in listed.stdout.decode().splitlines():
            if Path(name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(name, folder / name)

    def survives(self, file: str, source: str, tests: str) -> bool:
        """Return whether `tests` pass if `file` has the content `source`; tests that hang have failed."""
        if tests not in self._normal_seconds:
            self._measure(tests)
        with self._changed(file, source):
            return self._pass(tests, min(_MAX_SECONDS, 5 + 2 * self._normal_seconds[tests]))

    def _measure(self, tests: str) -> None:
        begun = time.monotonic()
        if not self._pass(tests, _MAX_SECONDS, writes_bytecode=True):
            sys.exit(f"These tests fail, or take more than {_MAX_SECONDS:g} s, although nothing was changed: {tests}")
        self._normal_seconds[tests] = time.monotonic() - begun

    @contextmanager
    def _changed(self, file: str, source: str) -> Iterator[None]:
        path = self.folder / file
        original = path.read_text(encoding="utf-8")
        path.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(original, encoding="utf-8")

    def _pass(self, tests: str, seconds: float, writes_bytecode: bool = False) -> bool:
        command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *tests.split()]
        # Import the copy instead of the installed package, also in the programs that tests start.
        environment = os.environ | {
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "" if writes_bytecode else "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        pytest = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return pytest.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            _kill_session(pytest)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
