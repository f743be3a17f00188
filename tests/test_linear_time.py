"""No text of a client or an engine holds the interpreter's lock for longer than its length allows."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from lmcache_internal.cli.metrics import Document
from lmcache_internal.cli.outcome import Outcome
from lmcache_internal.cli.redact import redacted
from lmcache_internal.cli.samples import Samples
from lmcache_internal.cli.targets import Target
from lmcache_internal.cli.text import printable, printable_lines
from lmcache_internal.cli.threads import counts_of, folded
from lmcache_internal.redaction import redact, redact_start
from tests.linear import ALPHABETS, LENGTH, is_linear, repeated
from tests.support import ROOT

_FLAGS = ("MULTILINE", "DOTALL", "IGNORECASE", "ASCII")
_FROM_THE_START = {"match", "fullmatch"}


class Pattern(NamedTuple):
    """A regular expression, and the methods that it is used with."""

    where: str
    compiled: re.Pattern[str]
    methods: set[str]


def patterns() -> Iterator[Pattern]:
    """Every regular expression in the package, wherever it stands in a file."""
    for file in sorted([*ROOT.glob("lmcache_internal/**/*.py"), *ROOT.glob("blueprints/*.py")]):
        yield from patterns_of(file)


def patterns_of(file: Path) -> Iterator[Pattern]:
    source = file.read_text()
    tree = ast.parse(source)
    names = {id(node.value): ast.unparse(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    for node in ast.walk(tree):
        where = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), f"{where}: write re.compile"
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function.startswith("re.") and function != "re.escape":
            # Of what is put together at runtime, nothing could be said here.
            assert isinstance(node.args[0], ast.Constant), f"{where}: write the pattern as one literal"
            value = node.args[0].value
            literal = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            flags = sum(re.RegexFlag[flag] for flag in _FLAGS if f"re.{flag}" in ast.unparse(node))
            methods = {function.removeprefix("re.")}
            if methods == {"compile"}:
                assert id(node) in names, f"{where}: give it a name"
                methods = {*re.findall(rf"\b{names[id(node)]}\.(\w+)\(", source)} or {"search"}
            yield Pattern(where, re.compile(literal, flags), methods)
        for keyword in node.keywords:
            if keyword.arg == "pattern" and isinstance(keyword.value, ast.Constant):
                yield Pattern(where, re.compile(str(keyword.value.value)), {"search"})


def made_for(pattern: re.Pattern[str]) -> dict[str, Callable[[int], str]]:
    """Texts made for this very pattern: each of its own words and signs before a long run."""
    parts = {*re.findall(r"[A-Za-z]{2,}|\d|[^\w\s]", pattern.pattern)}
    return {f"{part} {run!r}": _before(part, run) for part in parts for run in (part, " ", "a", "1")}


def _before(part: str, run: str) -> Callable[[int], str]:
    return lambda length: part + (run * (length // len(run)))[: length - len(part)]


@pytest.mark.parametrize("pattern", list(patterns()), ids=lambda pattern: pattern.where)
def test_every_regular_expression_takes_linear_time(pattern: Pattern) -> None:
    def apply(text: str) -> None:
        for method in pattern.methods & _FROM_THE_START:
            getattr(pattern.compiled, method)(text)
        if pattern.methods - _FROM_THE_START:
            for _ in pattern.compiled.finditer(text):
                pass

    texts = {name: (repeated(part), LENGTH) for name, part in ALPHABETS.items()}
    texts |= {name: (make, LENGTH // 4) for name, make in made_for(pattern.compiled).items()}
    assert next((name for name, (make, length) in texts.items() if not is_linear(apply, make, length)), None) is None


def _outcome(text: str) -> Outcome:
    return Outcome(Target("http://localhost"), data=text).map(counts_of)


FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "redact": redact,
    "redact under a name": lambda text: redact({text: text, "a": [text]}),
    "redact a repr": lambda text: redact(repr({"a": text})),
    "redact JSON": lambda text: redact(json.dumps({"a": [text]})),
    "redact bytes": lambda text: redact(text.encode()),
    "redact a name": lambda text: redact(1, text),
    "redact after a URL": lambda text: redact(f"http://{text}"),
    "redact after a secret": lambda text: redact(f"password: {text}"),
    "redact the start": lambda text: redact_start(text, 2048),
    "redacted": lambda text: redacted({"a": text}, "secret"),
    "print": printable,
    "print lines": printable_lines,
    "merge metrics": lambda text: Document().added(Target("http://localhost"), f"# HELP a b\na{{{text}}} 1\n{text}"),
    "fold profiles": lambda text: folded([_outcome(f"{text.replace(chr(10), ';')} 1\n")]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_that_meets_such_a_text_takes_linear_time(name: str) -> None:
    slow = (part for part, text in ALPHABETS.items() if not is_linear(FUNCTIONS[name], repeated(text)))
    assert next(slow, None) is None


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (lambda text: Document().added(Target("http://localhost"), text), "# {}\n"),
        (lambda text: Document().added(Target("http://localhost"), text), "a_{} 1\n"),
        (lambda text: Samples(text, 1), "a_{} 1\n"),
        (lambda text: folded([_outcome(text)]), "a;b{} 1\n"),
        (redact, "a_{}=1 token_{}=2\n"),
        (redact, '"token_{}": "'),
        (redact, "redis://u_{}:p@h "),
        (lambda text: redact(dict.fromkeys(text.split(), 1)), "{} "),
        (lambda text: redact(json.dumps(text.split())), "--token_{} "),
    ],
)
def test_many_different_parts_take_linear_time(function: Callable[[str], Any], line: str) -> None:
    assert is_linear(
        function, lambda length: "".join(line.format(number, number) for number in range(length // len(line)))
    )


@pytest.mark.parametrize("alphabet", ["question marks", "letters", "slashes", "pairs", "mixture"])
def test_a_stranger_is_refused_and_written_down_in_linear_time(client: FlaskClient, alphabet: str) -> None:
    def ask(text: str) -> None:
        response = client.get(f"/conf?x=http://{quote(text, safe='?')}", headers={"Via": "1.1 x"})
        assert response.status_code == 401

    assert is_linear(ask, repeated(ALPHABETS[alphabet]), LENGTH // 2)
