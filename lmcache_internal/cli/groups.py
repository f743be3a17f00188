"""A group of commands one of which needs no name."""

from __future__ import annotations

import click


class DefaultGroup(click.Group):
    """Runs its command `list` where the arguments name none: `backends --all` is `backends list --all`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name before options that are not the group's own."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
