"""`script run`: a script inside the engines' processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from .client import Client, Failure
from .fleet import Fleet
from .options import fleet_options

BUSY_SECONDS = 5.0
"""How long to try again where a process runs as many scripts as it may: several ranks may share one."""


@click.group()
def script() -> None:
    """Run Python inside the engines' processes."""


@script.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@fleet_options(changes=True, seconds=120)
def run(fleet: Fleet, file: Path) -> None:
    """Run FILE on each server: it sees `app`, and its variable `result` is the answer.

    Whatever Python can do to an engine, a script can. What it prints comes first, then its result.

    Example: lmcache-internal script run examples/scratch.py --config lmcache.yaml --index 1
    """
    source = file.read_bytes()
    outcomes = fleet.each(lambda client: _send(client, file.name, source))
    if not fleet.screen.as_json:
        outcomes = [outcome.map(_told) for outcome in outcomes]
    fleet.show_texts(outcomes)


def _send(client: Client, name: str, source: bytes) -> Any:
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return client.json("POST", "/run_script", files={"script": (name, source)})
        except Failure as failure:
            if not _is_busy(failure) or time.monotonic() > until:
                raise _with_traceback(failure) from failure
        time.sleep(0.2)


def _is_busy(failure: Failure) -> bool:
    """Whether the server has not tried it, as other scripts run."""
    return failure.status == 503 and isinstance(failure.body, dict) and failure.body.get("error") == "Busy"


def _told(data: dict[str, Any]) -> str:
    return f"{data['stdout']}{data['result']}"


def _with_traceback(failure: Failure) -> Failure:
    body = failure.body if isinstance(failure.body, dict) else {}
    parts = [body.get("stdout"), str(failure), body.get("traceback")]
    return Failure("\n".join(part.rstrip("\n") for part in parts if part), failure.status, failure.body)
