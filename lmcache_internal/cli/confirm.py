"""Ask for confirmation before a command destroys something."""

from __future__ import annotations

import sys

import click

from .output import Screen, is_terminal
from .text import printable

yes_option = click.option("--yes", is_flag=True, help="Skip confirmation.")


def require_terminal(screen: Screen, yes: bool) -> None:
    """Raise `click.UsageError` if there is neither `--yes` nor a terminal to ask on."""
    if not yes and (screen.as_json or not (is_terminal(sys.stdin) and is_terminal(sys.stdout))):
        raise click.UsageError("This needs confirmation, and there is no terminal to ask on. Add --yes.")


def confirm(screen: Screen, yes: bool, question: str) -> None:
    """Ask, unless `--yes` was given; raises `click.ClickException` if the answer is no."""
    require_terminal(screen, yes)
    if not yes and not click.confirm(printable(question), err=True):
        raise click.ClickException("Nothing was changed.")
