"""`make mutate` refers to tests and files by name, so a name without a target must fail early."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser

import pytest

from tests.mutation.equal import EQUAL
from tests.mutation.quick_tests import TESTS
from tests.support import ROOT


def _named(arguments: str) -> list[str]:
    """The paths and test ids in arguments of pytest."""
    parser = ArgumentParser()
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--ignore", action="append", default=[])
    parser.add_argument("--deselect", action="append", default=[])
    options = parser.parse_args(shlex.split(arguments))
    return [*options.tests, *options.ignore, *options.deselect]


@pytest.mark.parametrize("name", sorted({name for arguments in TESTS for name in _named(arguments)}))
def test_each_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert (ROOT / path).exists()
    assert not function or f"\ndef {function}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("pattern", sorted(pattern for patterns in TESTS.values() for pattern in patterns))
def test_each_pattern_names_a_file(pattern: str) -> None:
    assert list(ROOT.glob(f"lmcache_internal/{pattern}.py"))


@pytest.mark.parametrize(("file", "before"), sorted({(file, before) for file, before, _ in EQUAL}))
def test_each_equivalent_mutant_changes_a_line_that_exists(file: str, before: str) -> None:
    assert before in [line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
