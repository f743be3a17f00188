"""`completion`: print the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .commands import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    Append the script to ~/.bashrc or ~/.zshrc. For fish, write it to
    ~/.config/fish/completions/lmcache-internal.fish.

    Example: lmcache-internal completion bash
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # Click knows the three that the argument allows.
    click.echo(kind(context.find_root().command, {}, "lmcache-internal", "_LMCACHE_INTERNAL_COMPLETE").source())
