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
from typing import Literal

_MAX_SECONDS = 600.0

Outcome = Literal["killed", "timed out", "survived"]


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

    def outcome(self, file: str, source: str, tests: str) -> Outcome:
        """Return whether `tests` detect that `file` has the content `source`.

        Tests that hang detect it, too. On a busy machine, tests that are only slow count as such.
        """
        if tests not in self._normal_seconds:
            self._measure(tests)
        with self._changed(file, source):
            return self._run(tests, min(_MAX_SECONDS, 5 + 2 * self._normal_seconds[tests]))

    def _measure(self, tests: str) -> None:
        begun = time.monotonic()
        if self._run(tests, _MAX_SECONDS, writes_bytecode=True) != "survived":
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

    def _run(self, tests: str, seconds: float, writes_bytecode: bool = False) -> Outcome:
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
            return "killed" if pytest.wait(seconds) else "survived"
        except subprocess.TimeoutExpired:
            return "timed out"
        finally:
            _kill_session(pytest)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
