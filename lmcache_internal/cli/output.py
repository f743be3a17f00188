"""What a command shows: tables and text for people, one JSON document for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


# What a server says must not move the cursor of who reads it.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

_UNBROKEN = (
    *("index", "role", "server", "usage", "hit rate", "uptime"),
    *("key", "default", "source", "revision", "logger", "level", "ranks"),
)


def printable(text: str) -> str:
    """`text` with its control characters made visible."""
    return text.translate(_CONTROL)


class Screen:
    """The terminal, or whatever stands in its place.

    Args:
        as_json: print one JSON document to the standard output, and nothing else there.
        color: whether to color; None leaves it to the terminal (and NO_COLOR).

    Attributes:
        quiet: say nothing of what is being waited for.
    """

    def __init__(self, as_json: bool = False, color: bool | None = None) -> None:
        self.as_json = as_json
        self.color = color
        self.quiet = as_json

    def console(self, stderr: bool = False) -> Console:
        """A console; as wide as it needs to be where there is no terminal."""
        from rich.console import Console

        file = sys.stderr if stderr else sys.stdout
        return Console(
            file=file,
            no_color=None if self.color is None else not self.color,
            width=None if file.isatty() else 10_000,
            highlight=False,
            soft_wrap=True,
        )

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
        """Rows under their columns; a cell may be styled."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for name in columns:
            table.add_column(name.upper(), no_wrap=name in _UNBROKEN, overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else self.styled(str(cell)) for cell in row))
        return table

    def show(self, table: Table) -> None:
        """Print a table."""
        console = self.console()
        with console.capture() as captured:
            console.print(table, soft_wrap=False)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)

    def styled(self, text: str, style: str = "") -> Text:
        """Text in a style, its control characters made visible."""
        from rich.text import Text

        return Text(printable(text), style=style)

    def text(self, text: str) -> None:
        """Print text: as it is to a file or pipe, with control characters made visible to a terminal."""
        click.echo(printable(text) if sys.stdout.isatty() else text, color=True)

    def heading(self, text: str, first: bool = False) -> None:
        """Print a line above what belongs to it."""
        self.console().print(self.styled(f"{'' if first else chr(10)}== {text}", "bold"))

    def error(self, text: str) -> None:
        """Say beside the result what failed."""
        self.console(stderr=True).print(self.styled(text, "red"))

    def note(self, text: str) -> None:
        """Say something beside the result."""
        click.echo(printable(text), err=True)

    def json(self, data: Any) -> None:
        """Print the JSON document."""
        click.echo(json.dumps(data, indent=2, default=str))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[Callable[[str], object]]:
        """Show that something is under way, on a terminal; yields a function that changes the words."""
        if self.quiet or not sys.stderr.isatty():
            yield str
            return
        with self.console(stderr=True).status("") as status:
            yield status.update
