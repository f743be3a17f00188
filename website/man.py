"""Write a manual page for each command: `make man`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click_man.core import write_man_pages

from lmcache_internal.cli import main
from lmcache_internal.cli.commands import summary
from lmcache_internal.version import __version__
from website.documents import ROOT


def write_pages(directory: Path) -> None:
    """Write the pages, with the date of the version in the changelog.

    Args:
        directory: is created if it is missing.
    """
    released = re.search(rf"^## {re.escape(__version__)}, (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    directory.mkdir(parents=True, exist_ok=True)
    for command in _commands(main):
        command.short_help = summary(command)[1]  # click-man cuts the sentence after 45 characters otherwise.
    write_man_pages(
        "lmcache-internal",
        main,
        version=__version__,
        target_dir=str(directory),
        date=released[1] if released else None,
    )


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _commands(inner)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
