"""`bundle`: collect what a bug report needs in one file, with the secrets masked.

A bundle is most useful when something is wrong, so each failure is recorded in the bundle and does not prevent it.
"""

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
from .commands import Command
from .doctor import examined, fetch, text_of
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .redact import redacted
from .salts import without_salts
from .targets import Target

# In the order of the requests: the threads show where a stuck engine hangs, so they come before what may hang with it.
_FILES = {
    "version.json": "/version",
    "threads.txt": "/threads",
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
    "facts.json": "/doctor",
    "loggers.txt": "/loglevel",
    "metrics.txt": "/metrics",
}
_MP_FILES = {
    "version.json": "/version",
    "threads.txt": "/threads",
    "health.json": "/healthz",
    "healthcheck.json": "/healthcheck",
    "status.json": "/status",
    "config.json": "/config",
    "adapters.json": "/config/adapters",
    "quotas.json": "/quota",
    "periodic_threads.json": "/periodic-threads",
    "audit.json": "/audit",
    "routes.txt": "/",
    "facts.json": "/doctor",
    "loggers.txt": "/loglevel",
    "metrics.txt": "/metrics",
}
_NEEDED, _FACTS = "health.json", "facts.json"
_FILE_SECONDS = 5.0
"""The timeout of one file: requests that hang in a stuck engine leave time for the others."""


@click.command(cls=Command)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The zip file to write. Default: a name with the current time.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@fleet_options(seconds=30)
def bundle(fleet: Fleet, output: Path | None, force: bool) -> None:
    """Collect what a bug report needs in a zip file, with the secrets masked.

    The file has the report of the doctor, and a folder for each server, with its version, health, metadata,
    configuration and its history, backends, threads, loggers, metrics, facts for the doctor, audit log and endpoints.
    The manifest lists what is missing, and why. If no server answers, the bundle has the reasons. An MP server also has
    its status, L2 adapters and quotas; its cache salts are replaced by numbers. Review the file before you share it.

    Example: lmcache-internal bundle --config lmcache.yaml -o bundle.zip
    """
    output = output or Path(time.strftime("lmcache-internal-bundle-%Y%m%d-%H%M%S.zip"))
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists. Choose another name with -o, or add --force.")
    outcomes = fleet.each(_collect)
    token = fleet.token.text if fleet.token else None
    try:
        _write(output, _contents(fleet, outcomes, token))
    except OSError as error:
        raise click.ClickException(f"Cannot write {output}: {error.strerror}") from error
    fleet.screen.note(f"Wrote {output}: {sum(outcome.ok for outcome in outcomes)} of {len(outcomes)} servers.")
    fleet.show([outcome.map(_summary) for outcome in outcomes], lambda summary: summary)


def _collect(client: Client) -> dict[str, Any]:
    """Fetch the files of one server; raises `Failure` if there is none."""
    files: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, path in (_MP_FILES if client.target.mp else _FILES).items():
        try:
            files[name] = _fetch(client, name, path)
        except Failure as failure:
            if failure.unreachable and not files and not missing:
                raise
            missing[name] = str(failure)
    if not files:
        raise Failure(next(iter(missing.values())))
    return {"files": without_salts(files), "missing": missing}


def _fetch(client: Client, name: str, path: str) -> Any:
    if name == _FACTS:
        return fetch(client)
    if name.endswith(".json"):
        return client.json("GET", path, good=(503,) if name == _NEEDED else (), seconds=_FILE_SECONDS)
    return client.request("GET", path, headers={"Accept": "text/plain"}, seconds=_FILE_SECONDS).text


def _facts(data: Mapping[str, Any]) -> Any:
    if _FACTS not in data["files"]:
        raise Failure(data["missing"][_FACTS])
    return data["files"][_FACTS]


def _contents(fleet: Fleet, outcomes: Sequence[Outcome], token: str | None) -> dict[str, str]:
    """Return the files of the zip, by path."""
    folders = _folders(outcomes)
    manifest = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "lmcache_internal": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "servers": {
            folder: outcome.target.public()
            | ({"missing": outcome.data["missing"]} if outcome.ok else {"error": outcome.error})
            for folder, outcome in folders.items()
        },
    }
    report = examined(fleet, [outcome.map(_facts) for outcome in outcomes])
    for entry in report["ranks"]:
        entry.pop("facts", None)  # They are in the folder of the server.
    contents = {
        "manifest.json": _encoded(manifest, token),
        "doctor.json": _encoded(report, token),
        "doctor.txt": _encoded(text_of(report), token),
    }
    for folder, outcome in folders.items():
        for name, content in (outcome.data["files"] if outcome.ok else {}).items():
            contents[f"{folder}/{name}"] = _encoded(content, token)
    return contents


def _encoded(content: Any, token: str | None) -> str:
    clean = redacted(content, token)
    return clean if isinstance(clean, str) else json.dumps(clean, indent=2)


def _folders(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Return the outcomes by a name for their folder; no two servers share one."""
    folders: dict[str, Outcome] = {}
    for outcome in outcomes:
        name = _folder(outcome.target)
        number = sum(folder == name or folder.startswith(f"{name}_") for folder in folders)
        folders[f"{name}_{number}" if number else name] = outcome
    return folders


def _folder(target: Target) -> str:
    name = target.short_name.replace("http://", "")
    letters = "".join(char if (char.isascii() and char.isalnum()) or char in ".-" else "-" for char in name)
    return letters.strip("-.")[:100] or "server"


def _write(path: Path, contents: Mapping[str, str]) -> None:
    """Write the zip so that only its owner can read it. After an error, no file is left."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for inner, content in contents.items():
                archive.writestr(inner, content.encode("utf-8", "backslashreplace"))
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)  # After any error, and after Ctrl-C: no partial file is left.


def _summary(data: Mapping[str, Any]) -> dict[str, object]:
    return {"files": len(data["files"]), "missing": ", ".join(data["missing"]) or "none"}
