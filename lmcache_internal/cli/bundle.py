"""`bundle`: all that a bug report needs, in one file without secrets."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..version import __version__
from .client import Client, Failure
from .fleet import Fleet, Outcome
from .options import fleet_options
from .redact import redacted
from .targets import Target

_FILES = {
    "version.json": "/version",
    "health.json": "/healthz",
    "meta.json": "/meta",
    "conf.json": "/conf?details=true",
    "conf_history.json": "/conf/history",
    "backends.json": "/backends",
    "bypass.json": "/bypass/list",
    "periodic_threads.json": "/periodic-threads",
    "inference_info.json": "/inference_info",
    "audit.json": "/audit",
    "routes.json": "/",
    "threads.txt": "/threads",
    "loggers.txt": "/loglevel",
    "metrics.txt": "/metrics",
}
_NEEDED = "health.json"


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The zip file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@fleet_options(seconds=30)
def bundle(fleet: Fleet, output: Path | None, force: bool) -> None:
    """Collect what a bug report needs into a zip file, with the secrets masked.

    A folder for each server: its version, health, metadata, configuration with its history, backends, threads,
    loggers, metrics, audit log and endpoints; and a manifest that says what could not be had, and why.
    Look through it before you hand it on.

    Example: lmcache-internal bundle --config lmcache.yaml -o bundle.zip
    """
    output = output or Path(time.strftime("lmcache-internal-bundle-%Y%m%d-%H%M%S.zip"))
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists; choose another name with -o, or give --force.")
    outcomes = fleet.each(_collect)
    token = fleet.token.text if fleet.token else None
    try:
        _write(output, _contents(outcomes, token))
    except OSError as error:
        raise click.ClickException(f"Cannot write {output}: {error.strerror}") from error
    fleet.screen.note(f"Wrote {output}: {sum(outcome.ok for outcome in outcomes)} of {len(outcomes)} servers.")
    fleet.show([outcome.map(_summary) for outcome in outcomes], lambda summary: summary)


def _collect(client: Client) -> dict[str, Any]:
    """The files of one server, by name, and why some are missing; raises `Failure` where nothing can be had."""
    files: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, path in _FILES.items():
        try:
            if name.endswith(".json"):
                files[name] = client.json("GET", path, good=(503,) if name == _NEEDED else ())
            else:
                files[name] = client.request("GET", path, headers={"Accept": "text/plain"}).text
        except Failure as failure:
            if failure.status is None:
                raise
            missing[name] = str(failure)
    return {"files": files, "missing": missing}


def _contents(outcomes: Sequence[Outcome], token: str | None) -> dict[str, str]:
    """Every file of the zip, by its path."""
    manifest = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "lmcache_internal": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "servers": {
            _folder(outcome.target): outcome.target.public()
            | ({"missing": outcome.data["missing"]} if outcome.ok else {"error": outcome.error})
            for outcome in outcomes
        },
    }
    contents = {"manifest.json": _encoded(manifest, token)}
    for outcome in outcomes:
        for name, content in (outcome.data["files"] if outcome.ok else {}).items():
            contents[f"{_folder(outcome.target)}/{name}"] = _encoded(content, token)
    return contents


def _encoded(content: Any, token: str | None) -> str:
    clean = redacted(content, token)
    return clean if isinstance(clean, str) else json.dumps(clean, indent=2)


def _folder(target: Target) -> str:
    name = target.role or target.address.partition("://")[2] or target.address
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name).strip("-.")


def _write(path: Path, contents: Mapping[str, str]) -> None:
    """Write the zip for its owner alone, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for inner, content in contents.items():
                archive.writestr(inner, content)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)  # Whatever went wrong, Ctrl-C too: no half a file is left behind.


def _summary(data: Mapping[str, Any]) -> dict[str, object]:
    return {"files": len(data["files"]), "missing": ", ".join(data["missing"]) or "none"}
