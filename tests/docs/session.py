"""Runs the blocks of one document in order, as a reader at a terminal would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.docs.blocks import Block, BlockError, check
from tests.docs.interpreter import Interpreter
from tests.docs.server import Server
from tests.support import eventually

BLOCK_SECONDS = 600.0
"""Timeout of a block in seconds; one block installs packages."""

# Print the line that failed; line numbers in the file of a block are those of the document.
_STRICT = """set -eEuo pipefail; trap 'echo "line $LINENO: $BASH_COMMAND: exit status $?" >&2' ERR; echo"""


class Session:
    """One bash process, one Python process, and the running servers.

    Args:
        directory: initial working directory of bash.
        scratch: an empty directory for the files and outputs of the blocks.
        environment: initial environment variables; PATH must contain the Python for Python blocks.
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
        """Run, write, serve or compare a block, by its options.

        Raises:
            BlockError: the block failed, or a server has ended.
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
        """End all processes."""
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
        # A server may print it later.
        seconds = 60.0 if self._servers and self._servers[-1].output == self._output else 0.0
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
        """Write the block to a file, with the line numbers of the document; return the path."""
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
