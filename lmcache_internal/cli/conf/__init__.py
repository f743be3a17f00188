"""`conf`: read, compare and change the live configuration of all servers."""

from __future__ import annotations

import click

from ..commands import Group
from .change import rollback, set_values
from .diff import diff
from .read import get, history


@click.group(cls=Group)
def conf() -> None:
    """Read, compare, change and restore the live configuration."""


for command in (get, set_values, diff, history, rollback):
    conf.add_command(command)
