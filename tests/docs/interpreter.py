"""A bash or Python process that runs one file after another."""

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
"""Timeout in seconds for a process group to end after SIGTERM."""


class Interpreter:
    """A process, in a new process group, that executes lines from its standard input.

    Args:
        command: its command line. It must print one line when a line is done, and exit when a line fails.
        directory: its initial working directory.
        environment: its environment variables.
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
        """Its current working directory."""
        return Path(f"/proc/{self._process.pid}/cwd").readlink()

    def run(self, line: str, seconds: float) -> str:
        """Execute a line; return the output line.

        Raises:
            BlockError: the process ended, or printed nothing within `seconds`.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n".encode())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # A background process may keep the pipe open after the interpreter has ended.
            if select.select([self._process.stdout], [], [], 0.05)[0] and (answer := self._process.stdout.readline()):
                return answer.decode().strip()
            if self._process.poll() is not None:
                raise BlockError(f"exit status {self._process.returncode}")
        raise BlockError(f"not done after {seconds:g} seconds")

    def stop(self) -> None:
        """End the process and all processes it has started."""
        with self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
                if eventually(lambda: not is_anybody_in(self._process.pid), STOP_SECONDS):
                    break
