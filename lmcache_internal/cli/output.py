"""Print results: tables and text for people, one JSON document for programs.

`Screen` is the only way to the terminal. It escapes what servers send, so that no command has to remember it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from .text import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text


_UNBROKEN = (
    *("index", "role", "server", "health", "mode", "usage", "hit rate", "now", "uptime"),
    *("l1", "l2", "adapters", "workers", "sessions"),
    *("key", "default", "source", "revision", "logger", "level", "ranks"),
)
_UNLIMITED = 10_000
"""The width of a table that no terminal limits, in characters."""


def is_terminal(stream: Any) -> bool:
    """Whether a person reads `stream`."""
    return bool(stream.isatty())


def escape_unencodable() -> None:
    """Make the standard streams escape the characters that their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def json_text(data: Any, indent: int | None = 2) -> str:
    """Return `data` as JSON in ASCII; numbers that are not finite become null."""
    return json.dumps(_finite(data), indent=indent, default=str, allow_nan=False).replace("\x7f", "\\u007f")


def failure_document(message: str) -> str:
    """Return the JSON document, on one line, of a command that failed before it asked any server."""
    return json_text([{"index": None, "role": None, "address": None, "ok": False, "error": message}], indent=None)


class Screen:
    """The standard output and the standard error.

    Args:
        as_json: print one JSON document to the standard output, and nothing else there.
        color: whether to print colors; None decides by the terminal and by NO_COLOR.

    Attributes:
        quiet: whether to print no notices and no progress.
    """

    def __init__(self, as_json: bool = False, color: bool | None = None) -> None:
        self.as_json = as_json
        self.color = color
        self.quiet = as_json

    def console(self, stderr: bool = False) -> Console:
        """Return a console; without a terminal it is as wide as the output needs."""
        from rich.console import Console

        file = sys.stderr if stderr else sys.stdout
        return Console(
            file=file,
            no_color=None if self.color is None else not self.color,
            width=None if is_terminal(file) else _UNLIMITED,
            highlight=False,
            soft_wrap=True,
        )

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
        """Return a table.

        Args:
            columns: the names of the columns.
            rows: the cells; each is text, styled text, or a list of lines.
        """
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for name in columns:
            table.add_column(printable(name.upper()), no_wrap=name in _UNBROKEN, overflow="fold")
        for row in rows:
            table.add_row(*map(self._cell, row))
        return table

    def fits(self, table: Table) -> bool:
        """Whether each cell of a table fits on one line."""
        console = self.console()
        unlimited = console.options.update_width(_UNLIMITED)
        return console.measure(table, options=unlimited).maximum <= console.width

    def show(self, table: RenderableType) -> None:
        """Print a table."""
        console = self.console()
        with console.capture() as captured:
            console.print(table, soft_wrap=False)
        click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)

    def styled(self, text: str, style: str = "") -> Text:
        """Return one line of text in a style."""
        from rich.text import Text

        return Text(printable(text), style=style)

    def text(self, text: str) -> None:
        """Print lines of text, if there are any: unchanged to a file or pipe, escaped to a terminal."""
        if text:
            click.echo(printable_lines(text) if is_terminal(sys.stdout) else text, color=True)

    def heading(self, text: str, first: bool = False) -> None:
        """Print a heading, after an empty line unless it is the first."""
        if not first:
            click.echo()
        self.console().print(self.styled(f"== {text}", "bold"))

    def error(self, text: str) -> None:
        """Print lines about a failure to the standard error."""
        for line in text.split("\n"):
            self.console(stderr=True).print(self.styled(line, "red"))

    def note(self, text: str) -> None:
        """Print lines of information to the standard error."""
        click.echo(printable_lines(text), err=True)

    def json(self, data: Any) -> None:
        """Print the JSON document."""
        click.echo(json_text(data))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[Callable[[str], object]]:
        """Show progress on a terminal; yields a function that replaces the message."""
        if self.quiet or not is_terminal(sys.stderr):
            yield str
            return
        with self.console(stderr=True).status("") as status:
            yield lambda message: status.update(self.styled(message))

    def _cell(self, cell: object) -> Text:
        from rich.text import Text

        if isinstance(cell, Text):
            return cell
        if isinstance(cell, list):
            return Text("\n").join(self.styled(str(line)) for line in cell)
        return self.styled(str(cell))


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
