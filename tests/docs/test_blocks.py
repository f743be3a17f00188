"""Blocks are found and parsed; invalid blocks are rejected."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, BlockError, blocks_of, check
from tests.docs.surroundings import check_ports, copy_checkout, documents, environment, missing
from tests.support import ROOT, free_port


def block(info: str, text: str = "") -> Block:
    language, *words = info.split()
    return Block("a.md", 1, language, {word.partition("=")[0]: word.partition("=")[2] for word in words}, text)


def read(directory: Path, text: str) -> list[Block]:
    (directory / "a.md").write_text(text)
    return blocks_of(directory, "a.md")


@pytest.mark.parametrize("document", documents())
def test_all_blocks_are_valid(document: str) -> None:
    for found in blocks_of(ROOT, document):
        check(found)


def test_block_has_line_language_words_and_text(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "Text\n\n```bash serve wait=1,2\nsleep 1\n```\n")
    assert found == Block("a.md", 3, "bash", {"serve": "", "wait": "1,2"}, "sleep 1\n")
    assert str(found) == "a.md:3"


def test_blocks_in_lists_and_with_tildes_are_found(tmp_path: Path) -> None:
    found = read(tmp_path, "- one\n\n  ```bash\n  a\n    b\n  ```\n\n~~~python\nc\n~~~\n")
    assert [(one.line, one.language, one.text) for one in found] == [(3, "bash", "a\n  b\n"), (8, "python", "c\n")]


@pytest.mark.parametrize("info", ["sh", "shell", "py", "Bash", "python3", "nginx"])
def test_unknown_language_is_rejected(info: str) -> None:
    with pytest.raises(BlockError, match=f"a.md:1: .*; not '{info}'"):
        check(block(info))


def test_block_without_language_is_rejected(tmp_path: Path) -> None:
    for text in ("```\nls\n```\n", "Text\n\n    ls\n"):
        (found,) = read(tmp_path, text)
        assert not found.is_shown_only
        with pytest.raises(BlockError, match="not ''"):
            check(found)


@pytest.mark.parametrize(
    "info", ["bash sevre", "bash output", "python serve", "yaml needs=x", "text serve", "bash wait=1", "nginx file=a x"]
)
def test_invalid_words_are_rejected(info: str) -> None:
    with pytest.raises(BlockError, match=r"a\.md:1"):
        check(block(info))


@pytest.mark.parametrize(
    ("language", "good", "bad"),
    [("yaml", "a: 1\n---\nb: 2", "a: ["), ("json", "[1]", "[1,]"), ("ini", "[a]\nb = 50%", "b = 1")],
)
def test_data_must_parse(language: str, good: str, bad: str) -> None:
    check(block(language, good))
    with pytest.raises(BlockError, match=f"invalid {language}"):
        check(block(language, bad))


def test_file_block_accepts_any_language_and_parses_data() -> None:
    check(block("nginx file=nginx.conf", "server {"))
    with pytest.raises(BlockError, match="invalid yaml"):
        check(block("yaml file=a.yaml", "a: ["))


def test_needs_checks_commands_and_modules(tmp_path: Path) -> None:
    variables = environment(Path(sys.prefix), tmp_path)
    assert missing(block("bash needs=cat,json,no-such-command"), variables) == ["no-such-command"]
    assert missing(block("bash"), variables) == []


def test_ports_in_use_are_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        for text in (f"```bash\ncurl http://localhost:{port}/\n```\n", f"```bash serve wait={port}\nx\n```\n"):
            with pytest.raises(BlockError, match=f"a.md: ports {port} are in use"):
                check_ports(read(tmp_path, text))
    check_ports(read(tmp_path, text))


def test_copy_has_tracked_and_new_files_only(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    assert (tmp_path / "docs" / "design.md").read_text() == (ROOT / "docs" / "design.md").read_text()
    assert not [path for path in tmp_path.rglob("*") if path.name in ("__pycache__", ".git", ".mypy_cache")]


def test_environment_excludes_home_and_settings_of_developer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_CONFIG_FILE", "/my/own.yaml")
    variables = environment(Path(sys.prefix), tmp_path)
    assert "LMCACHE_CONFIG_FILE" not in variables
    assert variables["HOME"] == str(tmp_path)
