"""One document, read from its first block to its last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import Block, BlockError
from tests.docs.session import Session
from tests.docs.surroundings import check_ports, copy_checkout, environment, missing


class Reader:
    """Reads a document in a new checkout, home and shell; it stops at the first block that fails.

    A block that has failed runs once more after all blocks before it, in a new checkout, because its first run may have
    had effects.

    Args:
        blocks: the blocks of the document, in order.
        venv: the virtual environment in which the package is installed.
        make_directory: creates a new directory of that name.
    """

    def __init__(self, blocks: list[Block], venv: Path, make_directory: Callable[[str], Path]) -> None:
        self._blocks = blocks
        self._venv = venv
        self._make_directory = make_directory
        self._failed: Block | None = None
        self._start()

    def read(self, block: Block) -> None:
        """Run a block, or skip it if it needs what is not installed or a block before it has failed."""
        if self._failed and block != self._failed:
            pytest.skip(f"{block}: {self._failed} failed")
        if lacking := missing(block, self._variables):
            pytest.skip(f"{block}: needs {', '.join(lacking)}")
        try:
            if block == self._failed:
                self._start_again(block)
            self._session.run(block)
        except BlockError as error:
            self._failed = block
            raise pytest.fail.Exception(str(error), pytrace=False) from None

    def close(self) -> None:
        """End all processes."""
        self._session.close()

    def _start(self) -> None:
        check_ports(self._blocks)
        checkout, home, scratch = (self._make_directory(name) for name in ("lmcache-internal", "home", "blocks"))
        copy_checkout(checkout)
        self._variables = environment(self._venv, home)
        self._session = Session(checkout, scratch, self._variables)

    def _start_again(self, block: Block) -> None:
        self.close()
        self._start()
        for earlier in self._blocks[: self._blocks.index(block)]:
            if not missing(earlier, self._variables):
                self._session.run(earlier)
        self._failed = None
