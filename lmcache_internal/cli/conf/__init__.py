"""`conf`: the live configuration of a fleet."""

from __future__ import annotations

import click

from .change import rollback, set_values
from .diff import diff
from .read import get, history


@click.group()
def conf() -> None:
    """Read the live configuration, compare it, change it everywhere or nowhere, and bring it back."""


for command in (get, set_values, diff, history, rollback):
    conf.add_command(command)
