"""Stacks have the format of Python's tracebacks, although each place in the code is looked up once."""

from __future__ import annotations

import contextlib
import gc
import importlib
import queue
import sys
import threading
import types
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.diagnostics.stacks import frame_at, text_of
from tests.blueprints.test_threads_api import stack_of
from tests.support import eventually

SOURCES = {
    "plain": "def nap(wait):\n    wait()\n",
    "lambda": "nap = lambda wait: (lambda: wait())()\n",
    "comprehension": "def nap(wait):\n    return [wait() for _ in 'x']\n",
    "not ascii": "def größe(wait):\n\twait()  # \u00e4\u6f22\U0001f600 \u2028 \x85 \x0c end\nnap = größe\n",
    "many lines": "def nap(wait):\n    list(\n        map(\n            lambda _: wait(),\n            [1],\n    ))\n",
    "recursion": "def nap(wait, depth=9):\n    nap(wait, depth - 1) if depth else wait()\n",
    "two in turn": "def nap(wait, depth=9):\n    pan(wait, depth)\ndef pan(wait, depth):\n"
    "    nap(wait, depth - 1) if depth else wait()\n",
    "nearly folded": "def nap(wait, depth=2):\n    nap(wait, depth - 1) if depth else wait()\n",
    "once folded": "def nap(wait, depth=4):\n    if depth:\n        nap(wait, depth - 1)\n    else:\n        wait()\n",
    "no end of line": "def nap(wait): wait()",
    "other encoding": "# coding: latin-1\ndef nap(wait):\n    wait()  # \u00e4\n",
    "a class": "class A:\n    @property\n    def b(self): return self.wait()\ndef nap(wait):\n    A.wait = wait\n"
    "    A().b\n",
}


@contextlib.contextmanager
def napping(module: types.ModuleType | dict[str, Any]) -> Iterator[threading.Thread]:
    """Run a thread that waits in a module's `nap`."""
    waking: queue.SimpleQueue[None] = queue.SimpleQueue()
    nap = module["nap"] if isinstance(module, dict) else module.nap
    thread = threading.Thread(target=nap, args=(lambda *_: waking.get(),), name="Napping")
    thread.start()
    try:
        # Do not use the traceback, which reads the files.
        assert eventually(lambda: sys._current_frames()[thread.ident or 0].f_code.co_filename == __file__)
        yield thread
    finally:
        waking.put(None)
        thread.join()


def loaded(directory: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Import a module with that source from a file named after the test's directory."""
    encoding = "latin-1" if "latin-1" in source else "utf-8"
    (directory / f"m_{directory.name}.py").write_text(source, encoding)
    monkeypatch.syspath_prepend(directory)
    return importlib.import_module(f"m_{directory.name}")


def block(client: FlaskClient) -> str:
    response = client.get("/threads?name=napping")
    assert response.status_code == 200
    return response.text.partition("Stack trace:\n")[2].partition("\n\n=== Thread Summary")[0]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_text_equals_pythons_traceback(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    with napping(loaded(tmp_path, source, monkeypatch)) as thread:
        for _ in range(2):
            assert block(client) == stack_of(thread)


def test_a_module_from_a_zip_file_shows_its_lines(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("zipped_nap.py", SOURCES["plain"])
    monkeypatch.syspath_prepend(tmp_path / "all.zip")
    with napping(importlib.import_module("zipped_nap")) as thread:
        text = block(client)
        assert text == stack_of(thread)
    assert 'all.zip/zipped_nap.py", line 2, in nap\n    wait()\n' in text


@pytest.mark.parametrize("file", ["<string>", "", "gone.py", "/nowhere/gone.py", "<nowhere", "\u00e4.py"])
def test_code_without_source_file_is_shown_without_source(client: FlaskClient, file: str) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(SOURCES["recursion"], file, "exec"), namespace)
    with napping(namespace) as thread:
        assert block(client) == stack_of(thread)


def test_the_shown_source_does_not_change_with_the_file(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loaded(tmp_path, SOURCES["plain"], monkeypatch)
    with napping(module):
        before = block(client)
        Path(module.__file__ or "").write_text("# Upgraded.\n\n\n")
        assert block(client) == before
        Path(module.__file__ or "").unlink()
        assert block(client) == before
    assert "in nap\n    wait()\n" in before


def test_no_references_to_code_and_frames_are_kept(client: FlaskClient) -> None:
    namespace: dict[str, Any] = {}
    exec(SOURCES["plain"], namespace)
    code = weakref.ref(namespace["nap"].__code__)
    with napping(namespace):
        assert "in nap" in block(client)
    namespace.clear()
    assert eventually(lambda: bool(gc.collect() + 1) and code() is None)


def test_the_caches_are_limited() -> None:
    frames = [frame_at("<string>", line, "f") for line in range(10_000)]
    for frame in frames[:2000]:
        assert text_of((frame,)) == f'  File "<string>", line {frame.line}, in f\n'
    assert 0 < frame_at.cache_info().currsize < 5000
    assert 0 < text_of.cache_info().currsize < 1000
