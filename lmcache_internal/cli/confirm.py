"""Asking before something is lost."""

from __future__ import annotations

import sys

import click

from .output import Screen, printable

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def require_consent(screen: Screen, yes: bool) -> None:
    """Raise `click.UsageError` where consent is neither given by `--yes` nor can be asked for."""
    if not yes and (screen.as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise click.UsageError("There is nobody to ask whether this is meant; say --yes.")


def ask(screen: Screen, yes: bool, question: str) -> None:
    """Ask, unless `--yes` was given; raises `click.ClickException` for a no."""
    require_consent(screen, yes)
    if not yes and not click.confirm(printable(question), err=True):
        raise click.ClickException("Nothing was changed.")
