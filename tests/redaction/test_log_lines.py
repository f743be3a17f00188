"""Each log record of the package is one line without control characters and characters that reorder text."""

from __future__ import annotations

import ast
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcache_internal.redaction import redact_trace
from lmcache_internal.redaction.log_lines import escaped, get_logger
from tests.support import ROOT

SEPARATORS = ("Zl", "Zp", "Cc", "Cs")
REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in SEPARATORS or unicodedata.bidirectional(character) in REORDERING


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\r\n\x1b\x7f\x85\u2028\u202e\u2066\ud800")))
def test_only_unsafe_characters_are_escaped(text: str) -> None:
    safe = escaped(text)
    assert not any(map(is_unsafe, safe))
    expected = "".join(
        f"\\u{ord(character):04x}" if is_unsafe(character) or character in "\u061c\u200e\u200f" else character
        for character in text
    )
    assert safe == expected


@pytest.mark.parametrize("filters", [[], [redact_trace]])
def test_message_arguments_and_traceback_are_escaped(
    caplog: pytest.LogCaptureFixture, filters: list[logging.Filter]
) -> None:
    logger = get_logger("tests.log_lines")
    for added in filters:
        logger.addFilter(added)
    try:
        raise OSError("a\x1b[31m\u202eb password=hunter2")
    except OSError:
        logger.exception("one %s", "x\ny\x9b")
    for added in filters:
        logger.removeFilter(added)
    line, *trace = caplog.handler.format(caplog.records[0]).split("\n")
    assert line.endswith("one x\\u000ay\\u009b")
    assert not any(map(is_unsafe, "".join(trace)))
    assert "a\\u001b[31m\\u202eb" in trace[-1]
    assert ("hunter2" in trace[-1]) == (not filters)


def test_every_module_uses_an_escaping_logger() -> None:
    allowed = {"log_lines.py", "audit.py"}  # The audit log escapes its lines itself, also for its files.
    for file in ROOT.glob("lmcache_internal/**/*.py"):
        source = file.read_text()
        for node in ast.walk(ast.parse(source)) if "logging.getLogger(" in source else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("logging.getLogger("):
                assert file.name in allowed or ast.unparse(node.targets[0]) != "logger", file
