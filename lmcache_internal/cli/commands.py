"""Base classes of the commands and groups.

They decide what click leaves open: where the options that choose servers are accepted, how help is laid out, and that
`--json` prints JSON even if a command fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from .output import escape_unencodable, failure_document
from .text import printable_lines

_JSON = "--json"
_EXAMPLE = "\n\nExample: "


class FleetOption(click.Option):
    """An option that chooses servers, or says how to reach them; it is the same in all commands."""


class Command(click.Command):
    """A command whose help lists its own options first, and ends with an example that can be pasted."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description; the example stays on one line, however long."""
        whole = self.help
        self.help, found, example = inspect.cleandoc(whole or "").partition(_EXAMPLE)
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = whole
        if found:
            formatter.write(f"\n  Example:\n    {example.strip()}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those of the fleet under their own heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Fleet options": []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                sections["Fleet options" if isinstance(param, FleetOption) else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """A group that takes the fleet's options before the name of the command, too."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move the fleet's options from before the command's name to after it."""
        count = self._count_leading(args)
        moved, rest = args[:count], args[count:]
        if rest and not rest[0].startswith("-"):
            rest = [rest[0], *moved, *rest[1:]]
        return super().parse_args(ctx, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the whole first sentence of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([summary(self.commands[name]) for name in self.list_commands(ctx)])

    def fleet_options(self) -> dict[str, FleetOption]:
        """Return the fleet's options that commands of this group take, by name."""
        found: dict[str, FleetOption] = {}
        for command in self.commands.values():
            if isinstance(command, Group):
                found.update(command.fleet_options())
            for param in command.params:
                if isinstance(param, FleetOption):
                    found.update(dict.fromkeys((*param.opts, *param.secondary_opts), param))
        return found

    def _count_leading(self, args: list[str]) -> int:
        """Return how many arguments at the start are fleet options with their values."""
        options, count = self.fleet_options(), 0
        while count < len(args):
            name, equals, _ = args[count].partition("=")
            if name not in options:
                break
            count += 1 if equals or options[name].is_flag else 2
        return min(count, len(args))


class DefaultGroup(Group):
    """A group that runs its command `list` if the arguments name none: `backends --all` is `backends list --all`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the name `list` if there is no command and no request for help."""
        rest = args[self._count_leading(args) :]
        if not rest or (rest[0].startswith("-") and rest[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


class Main(Group):
    """The program: with `--json`, each failure is a JSON document on the standard output, too."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """Parse the arguments."""
        wanted = _JSON in (args[: args.index("--")] if "--" in args else args)
        with _reporting(wanted):
            context = super().make_context(info_name, args, *rest, **extra)
        context.meta[_JSON] = wanted
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _reporting(ctx.meta[_JSON]):
            return super().invoke(ctx)


def summary(command: click.Command) -> tuple[str, str]:
    """Return the name of a command and the first sentence of its help."""
    return command.name or "", command.get_short_help_str(1000)


@contextmanager
def _reporting(as_json: bool) -> Iterator[None]:
    escape_unencodable()
    try:
        yield
    except click.ClickException as error:
        error.message = printable_lines(error.message)  # type: ignore[misc]  # Final in click, but read when it is shown.
        if as_json:
            click.echo(failure_document(error.format_message()))
        raise
    except (click.Abort, KeyboardInterrupt):
        if as_json:
            click.echo(failure_document("Interrupted."))
        raise
