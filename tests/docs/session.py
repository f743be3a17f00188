"""A reader at a terminal: runs the blocks of one document, one after another."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.docs.blocks import Block, BlockError, check
from tests.docs.interpreter import Interpreter
from tests.docs.server import Server
from tests.support import eventually

BLOCK_SECONDS = 180.0
"""How long a block may take: one installs packages."""

# Names the line that failed; what stands in a block's own file has the line number of the document.
_STRICT = """set -eEuo pipefail; trap 'echo "line $LINENO: $BASH_COMMAND: exit status $?" >&2' ERR; echo"""


class Session:
    """One bash and one Python, and the servers that were left running.

    Args:
        directory: where bash starts.
        scratch: an empty directory for the blocks' files and outputs.
        environment: the variables to start with; PATH is to lead to the Python that runs the Python blocks.
    """

    def __init__(self, directory: Path, scratch: Path, environment: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._environment = environment
        self._bash = Interpreter(["bash"], directory, environment)
        self._bash.run(_STRICT, BLOCK_SECONDS)
        self._python: Interpreter | None = None
        self._servers: list[Server] = []
        self._output: Path | None = None

    def run(self, block: Block) -> None:
        """Do what a reader does with a block.

        Raises:
            BlockError: it, or a server that runs for it, does not do what the document says.
        """
        check(block)
        if "file" in block.words:
            self._write(block)
        elif "output" in block.words:
            self._compare(block)
        elif "serve" in block.words:
            self._serve(block)
        elif not block.is_shown_only:
            self._execute(block)
        for server in self._servers:
            server.check()

    def close(self) -> None:
        """End all that runs."""
        for interpreter in (self._python, self._bash):
            if interpreter:
                interpreter.stop()

    def _write(self, block: Block) -> None:
        self._output = None
        path = self._bash.directory / block.words["file"]
        try:
            path.write_text(block.text)
        except OSError as error:
            raise BlockError(f"{block}: cannot write {path}: {error.strerror}") from error

    def _execute(self, block: Block) -> None:
        path = self._written(block)
        try:
            if block.language == "python":
                self._its_python().run(f"{path}\t{self._bash.directory}", BLOCK_SECONDS)
            else:
                self._bash.run(f"source {_redirected(path)}; echo", BLOCK_SECONDS)
        except BlockError as error:
            raise BlockError(f"{block}: {error}\n{self._text()}") from None

    def _serve(self, block: Block) -> None:
        path = self._written(block)
        process = int(self._bash.run(f"source {_redirected(path)} & echo $!", BLOCK_SECONDS))
        server = Server(block, process, _output_of(path))
        self._servers.append(server)
        server.wait(BLOCK_SECONDS)

    def _compare(self, block: Block) -> None:
        pattern = ".*?".join(re.escape(part) for part in block.text.strip().split("…"))
        # A server may still be about to say it.
        seconds = 5.0 if self._servers and self._servers[-1].output == self._output else 0.0
        if not eventually(lambda: bool(re.fullmatch(pattern, self._text().strip(), re.DOTALL)), seconds):
            raise BlockError(
                f"{block}: the document shows\n{block.text}\nand the block before it printed\n{self._text()}"
            )

    def _its_python(self) -> Interpreter:
        if self._python is None:
            command = ["python", str(Path(__file__).with_name("run_files.py"))]
            self._python = Interpreter(command, self._bash.directory, self._environment)
        return self._python

    def _written(self, block: Block) -> Path:
        """The block in a file of its own, at the lines where it stands in the document."""
        path = self._scratch / str(block.line) / block.document
        path.parent.mkdir(parents=True)
        path.write_text("\n" * block.line + block.text)
        self._output = _output_of(path)
        return path

    def _text(self) -> str:
        return self._output.read_text(errors="replace") if self._output and self._output.exists() else ""


def _output_of(path: Path) -> Path:
    return Path(f"{path}.out")


def _redirected(path: Path) -> str:
    return f"{shlex.quote(str(path))} </dev/null >{shlex.quote(str(_output_of(path)))} 2>&1"
