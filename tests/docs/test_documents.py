"""Runs each block of each document, in order: `make test-docs`.

A document is one session, so select whole documents: `-k docs/quickstart.md`. Set DOCS_VENV to use an existing
virtual environment instead of a new one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of
from tests.docs.reader import Reader
from tests.docs.surroundings import documents, make_venv
from tests.support import ROOT

BLOCKS = [block for document in documents() for block in blocks_of(ROOT, document) if not block.is_shown_only]


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = os.environ.get("DOCS_VENV")
    return Path(chosen) if chosen else make_venv(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def reader(request: pytest.FixtureRequest, venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The reader of the document in the parameter."""
    blocks = [block for block in BLOCKS if block.document == request.param]
    with contextlib.closing(Reader(blocks, venv, tmp_path_factory.mktemp)) as reader:
        yield reader


@pytest.mark.parametrize(
    ("reader", "block"),
    [pytest.param(block.document, block, id=str(block)) for block in BLOCKS],
    indirect=["reader"],
    scope="module",
)
def test_block(reader: Reader, block: Block) -> None:
    reader.read(block)
