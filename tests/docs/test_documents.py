"""Runs each block of each document, in order: `make test-docs`.

A document is one session, so select whole documents: `-k docs/quickstart.md`. Set DOCS_VENV to use an existing
virtual environment instead of a new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.blocks import Block, BlockError, blocks_of
from tests.docs.session import Session
from tests.docs.surroundings import check_ports, copy_checkout, documents, environment, make_venv, missing
from tests.support import ROOT

BLOCKS = [block for document in documents() for block in blocks_of(ROOT, document) if not block.is_shown_only]


@dataclass
class Reader:
    """The session of a document; it stops at the first failure."""

    session: Session
    variables: dict[str, str]
    failed: list[Block] = field(default_factory=list)


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = os.environ.get("DOCS_VENV")
    return Path(chosen) if chosen else make_venv(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def reader(request: pytest.FixtureRequest, venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A new checkout, home and shell for the document in the parameter."""
    check_ports([block for block in BLOCKS if block.document == request.param])
    checkout, home, scratch = (tmp_path_factory.mktemp(name) for name in ("lmcache-internal", "home", "blocks"))
    copy_checkout(checkout)
    variables = environment(venv, home)
    session = Session(checkout, scratch, variables)
    yield Reader(session, variables)
    session.close()


@pytest.mark.parametrize(
    ("reader", "block"),
    [pytest.param(block.document, block, id=str(block)) for block in BLOCKS],
    indirect=["reader"],
    scope="module",
)
def test_block(reader: Reader, block: Block) -> None:
    if block in reader.failed:
        pytest.fail(f"{block} cannot run once more, because its first run may have had effects", pytrace=False)
    if reader.failed:
        pytest.skip(f"{block}: {reader.failed[0]} failed")
    if lacking := missing(block, reader.variables):
        pytest.skip(f"{block}: needs {', '.join(lacking)}")
    try:
        reader.session.run(block)
    except BlockError as error:
        reader.failed.append(block)
        raise pytest.fail.Exception(str(error), pytrace=False) from None
