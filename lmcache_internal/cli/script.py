"""`script run`: run a script inside the engines' processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from .client import Client, Failure
from .commands import Group
from .fleet import Fleet
from .options import fleet_options

BUSY_SECONDS = 5.0
"""How long to try again if a process runs its maximum of scripts: several ranks may share one process."""


@click.group(cls=Group)
def script() -> None:
    """Run Python inside the engines' processes."""


@script.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@fleet_options(changes=True, seconds=120)
def run(fleet: Fleet, file: Path) -> None:
    """Run FILE on each server, and print its output and its variable `result`.

    The script has the variable `app`. It can do to the engine whatever Python can do.

    Example: lmcache-internal script run examples/scratch.py --config lmcache.yaml --index 1
    """
    source = file.read_bytes()
    outcomes = fleet.each(lambda client: _send(client, file.name, source))
    if not fleet.screen.as_json:
        outcomes = [outcome.map(_output) for outcome in outcomes]
    fleet.show_texts(outcomes)


def _send(client: Client, name: str, source: bytes) -> Any:
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return client.json("POST", "/run_script", dict[str, Any], files={"script": (name, source)})
        except Failure as failure:
            if not _is_busy(failure) or time.monotonic() > until:
                raise _with_traceback(failure) from failure
        time.sleep(0.2)


def _is_busy(failure: Failure) -> bool:
    """Whether the server did not start the script because other scripts run."""
    return failure.status == 503 and isinstance(failure.body, dict) and failure.body.get("error") == "Busy"


def _output(data: dict[str, Any]) -> str:
    return f"{data['stdout']}{data['result']}"


def _with_traceback(failure: Failure) -> Failure:
    body = failure.body if isinstance(failure.body, dict) else {}
    parts = [body.get("stdout"), str(failure), body.get("traceback")]
    message = "\n".join(str(part).rstrip("\n") for part in parts if part)
    return Failure(message, failure.status, failure.body, failure.unsure, failure.unreachable)
