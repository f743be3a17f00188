"""The reader of a document: a block that has failed runs once more, after the blocks before it, in a new checkout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of
from tests.docs.reader import Reader


@pytest.fixture
def blocks(tmp_path: Path) -> Callable[[str], list[Block]]:
    def parse(text: str) -> list[Block]:
        (tmp_path / "a.md").write_text(text)
        return blocks_of(tmp_path, "a.md")

    return parse


@pytest.fixture
def make_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tmp_path_factory.mktemp


def test_block_that_failed_runs_again_after_those_before_it_in_a_new_checkout(
    blocks: Callable[[str], list[Block]], make_directory: Callable[[str], Path], tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    first, second, third = blocks(
        f"```bash\ntest ! -e here; touch here\n```\n```bash\necho >> {tries}; test $(wc -l < {tries}) = 2\n```\n"
        "```bash\ntest -e here\n```\n"
    )
    with contextlib.closing(Reader([first, second, third], Path(sys.prefix), make_directory)) as reader:
        reader.read(first)
        with pytest.raises(pytest.fail.Exception, match=r"a\.md:4: .*exit status 1"):
            reader.read(second)
        with pytest.raises(pytest.skip.Exception, match=r"a\.md:7: a\.md:4 failed"):
            reader.read(third)
        reader.read(second)
        reader.read(third)


def test_block_that_fails_twice_has_failed(
    blocks: Callable[[str], list[Block]], make_directory: Callable[[str], Path]
) -> None:
    first, second = blocks("```bash\nfalse\n```\n```bash\ntrue\n```\n")
    with contextlib.closing(Reader([first, second], Path(sys.prefix), make_directory)) as reader:
        for _ in range(2):
            with pytest.raises(pytest.fail.Exception):
                reader.read(first)
        with pytest.raises(pytest.skip.Exception):
            reader.read(second)
