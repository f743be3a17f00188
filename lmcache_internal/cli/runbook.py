"""`doctor --about CODE`: the runbook's section about a trouble, also where no document is at hand."""

from __future__ import annotations

import textwrap

import click

_WIDTH = 100


def print_section(context: click.Context, _option: click.Parameter, code: str | None) -> None:
    """Print the section of a code, and end the command.

    Raises:
        click.BadParameter: no trouble has this code.
    """
    if code is None or context.resilient_parsing:
        return
    from ..conversion import suggestion
    from ..diagnostics.doctor.catalogue import troubles  # Many files, which no other command needs.

    trouble = troubles().get(code)
    if trouble is None:
        raise click.BadParameter(f"no trouble has the code {code!r}{suggestion(code, troubles())}")
    click.echo(f"{trouble.code}: {trouble.title} ({trouble.severity})\n")
    click.echo(f"{textwrap.fill(trouble.meaning, _WIDTH)}\n")
    for label, text in {
        "Confirm": trouble.confirm,
        "Next step": trouble.next_step,
        "Upstream": trouble.reference,
    }.items():
        if text:
            click.echo(textwrap.fill(f"{label}: {text}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    context.exit()


def complete_codes(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the codes that begin with `incomplete`, for the shell."""
    from ..diagnostics.doctor.catalogue import troubles

    return [code for code in troubles() if code.startswith(incomplete)]
