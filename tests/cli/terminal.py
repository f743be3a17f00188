"""A person at a terminal: what the command shows there, and the keys that are pressed."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.cli.conftest import Fleet
from tests.support import ROOT

# Bytes. Short, so that a test that takes a part of a screen for the whole fails each time, not only under load.
READ = 16


class Terminal:
    """The command in a pseudo-terminal of 120 columns."""

    def __init__(self, fleet: Fleet, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(120)
        command = [sys.executable, "-m", "lmcache_internal.cli", *arguments, "--config", str(fleet.config)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"TERM": "xterm-256color"},
            # Where the tests run in the background of a shell, it has all of them ignore Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def wait_for(self, text: str, seconds: float = 60) -> None:
        self.wait_for_match(re.escape(text), seconds)

    def wait_for_match(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Read until the pattern matches what was shown so far. A read may end in the middle of a screen."""
        until = time.monotonic() + seconds
        while not (match := re.search(pattern, self.shown)):
            assert self._read(max(0.0, until - time.monotonic())), self.shown
        return match

    def wait_for_exit(self, seconds: float = 60) -> int:
        """Read what the command still shows, so that it never waits for a reader. Return its exit status."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, self.shown
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.shown += self._decoder.decode(os.read(self.master, READ))
        return True

    def press(self, key: bytes) -> None:
        os.write(self.master, key)


@contextmanager
def terminal(fleet: Fleet, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(fleet, *arguments)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait(60)
        os.close(opened.master)
        os.close(opened.slave)
