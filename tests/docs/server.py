"""A block that runs a server until the end of its document."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import Block, BlockError
from tests.docs.processes import lives
from tests.support import accepts, eventually

QUIET_SECONDS = 2.0
"""Seconds without output after which the server has printed all its addresses."""

_PRINTED_PORT = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d+)")


@dataclass(frozen=True)
class Server:
    """A process in the background.

    Attributes:
        block: the block that started it.
        process: its process id.
        output: the file with its output.
    """

    block: Block
    process: int
    output: Path

    def wait(self, seconds: float) -> None:
        """Wait until the server has ended, or listens on the ports of the block or at the addresses it has printed.

        Raises:
            BlockError: it does not listen within `seconds`.
        """
        if not eventually(lambda: not lives(self.process) or self._answers(), seconds):
            raise BlockError(f"{self.block}: does not answer after {seconds:g} seconds\n{self.output.read_text()}")

    def check(self) -> None:
        """Raise BlockError unless the server is running."""
        if not lives(self.process):
            raise BlockError(f"{self.block}: the server ended\n{self.output.read_text()}")

    def _answers(self) -> bool:
        if wait := self.block.words.get("wait"):
            return all(accepts(int(port)) for port in wait.split(","))
        if not self.output.exists() or time.time() - self.output.stat().st_mtime < QUIET_SECONDS:
            return False
        output = self.output.read_text()
        ports = _PRINTED_PORT.findall(output)
        sockets = [path for path in re.findall(r"(?<![\w/.])/\S+", output) if Path(path).is_socket()]
        return bool(ports or sockets) and all(accepts(int(port)) for port in ports) and all(map(_takes, sockets))


def _takes(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
