"""Manual pages: one for each command, with each option, and readable by man."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.cli.commands import leaves
from website.man import write_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    write_pages(directory)
    return directory


@pytest.mark.parametrize(("path", "command"), list(leaves()), ids=[" ".join(path) for path, _ in leaves()])
def test_a_page_has_every_option(pages: Path, path: tuple[str, ...], command: click.Command) -> None:
    text = (pages / f"lmcache-internal-{'-'.join(path)}.1").read_text().replace("\\-", "-")
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.opts[-1] in text
    summary = text.partition(".SH SYNOPSIS")[0]
    assert "..." not in summary, "the summary is cut"


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff; apt-get install groff-base")
def test_pages_are_formatted_without_warnings(pages: Path) -> None:
    for page in pages.iterdir():
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", page], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert "DESCRIPTION" in done.stdout
