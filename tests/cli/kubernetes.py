"""Runs the command with a kubeconfig of the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from lmcache_internal.cli import main

NAMESPACE = "inference"
TOKEN = "token-of-the-operator"
EVIL = "\x1b[2J\r\u202eevil\u2028\nFAKE-ROW"


def write_kubeconfig(path: Path, url: str, certificate: Path | None = None) -> None:
    names = ("test", "test/inner", "other", "arn:aws:eks:eu:1:cluster/test")
    authority = {"certificate-authority": str(certificate)} if certificate else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, **authority}}],
        "users": [{"name": "jane", "user": {"token": TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": "test", "user": "jane"}} for name in names],
    }
    path.write_text(yaml.safe_dump(config))


def run(*given: str, **variables: str | None) -> Result:
    """Run the command on a wide terminal, without a configuration."""
    return CliRunner().invoke(main, given, env={"LMCACHE_CONFIG_FILE": None, "COLUMNS": "10000", **variables})


def rows(*given: str) -> list[dict[str, Any]]:
    """Return what the command prints with `--json`."""
    found: list[dict[str, Any]] = json.loads(run(*given, "--json").stdout)
    return found


def ports_of(first: int, count: int = 5, start: int = 6999) -> dict[int, int]:
    """Return the ports of the ranks in a pod, if the servers of this machine have ports from `first` on."""
    return {start + index: first + index for index in range(count)}
