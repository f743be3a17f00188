"""A bash or a Python that is given one file after another."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.blocks import BlockError
from tests.docs.processes import is_anybody_in
from tests.support import eventually

STOP_SECONDS = 10.0
"""How long a group of processes may take to end when it is asked to."""


class Interpreter:
    """A process that executes lines from its standard input, in a process group of its own.

    Args:
        command: what starts it. It is to answer each line with one line when it is done, and to end when it fails.
        directory: where it starts.
        environment: its variables.
    """

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )

    @property
    def directory(self) -> Path:
        """Where it is now."""
        return Path(f"/proc/{self._process.pid}/cwd").readlink()

    def run(self, line: str, seconds: float) -> str:
        """Have a line executed; return the answer.

        Raises:
            BlockError: it ended, or did not answer within `seconds`.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n".encode())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # What it left in the background may keep the pipe open when it has ended.
            if select.select([self._process.stdout], [], [], 0.05)[0] and (answer := self._process.stdout.readline()):
                return answer.decode().strip()
            if self._process.poll() is not None:
                raise BlockError(f"exit status {self._process.returncode}")
        raise BlockError(f"not done after {seconds:g} seconds")

    def stop(self) -> None:
        """End it, and all that it has started."""
        with self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                if eventually(lambda: not is_anybody_in(self._process.pid), STOP_SECONDS):
                    break
