"""Prepares the environment of a reader: a checkout, a virtual environment with the package, a home, free ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from tests.docs.blocks import Block, BlockError
from tests.support import ROOT, accepts

EXTRAS = "cli,docs,dev"

# Make curl fail on HTTP errors, and show no progress bars.
_CURLRC = "silent\nshow-error\nfail-with-body\n"


def documents() -> list[str]:
    """Return the documents whose blocks are run, relative to the checkout; README first."""
    names = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
    return [*names, *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]


def copy_checkout(directory: Path) -> None:
    """Copy the checkout: tracked files, and new files that are not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():  # A removed file is listed until its removal is committed.
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)


def make_venv(directory: Path) -> Path:
    """Install the checkout with its extras into a new virtual environment; return its path.

    If the environment of the tests has LMCache, the new one has it, too.
    """
    copy_checkout(directory / "checkout")
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    package = f"{directory / 'checkout'}[{EXTRAS}]"
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", package], check=True)
    if find_spec("lmcache"):
        packages = sysconfig.get_path("purelib", vars={"base": str(venv)})
        Path(packages, "lmcache.pth").write_text(sysconfig.get_path("purelib"))
    return venv


def environment(venv: Path, home: Path) -> dict[str, str]:
    """Return the variables of a shell with the virtual environment activated and a separate home."""
    (home / ".curlrc").write_text(_CURLRC)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LMCACHE_", "PYTHON", "PYTEST_", "MAKE", "MFLAGS"))
    }
    return inherited | {
        "HOME": str(home),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),  # pip's downloads
        "VIRTUAL_ENV": str(venv),
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",  # Servers print their addresses immediately, as on a terminal.
        "no_proxy": "localhost,127.0.0.1",
    }


def missing(block: Block, variables: dict[str, str]) -> list[str]:
    """Return the block's needs that are neither a command nor a Python module."""
    return [
        need
        for need in block.needs
        if not shutil.which(need, path=variables["PATH"]) and not _is_module(need, variables)
    ]


def _is_module(name: str, variables: dict[str, str]) -> bool:
    program = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    return subprocess.run(["python", "-c", program], env=variables, check=False).returncode == 0


def check_ports(blocks: list[Block]) -> None:
    """Raise BlockError if another process listens on a port in the blocks."""
    text = "\n".join(f"{block.words.get('wait', '')}\n{block.text}" for block in blocks if not block.is_shown_only)
    named = re.findall(r"(?:localhost|127\.0\.0\.1):(\d+)", text)
    waited = [port for block in blocks for port in block.words.get("wait", "").split(",") if port]
    if taken := sorted({port for port in [*named, *waited] if accepts(int(port))}):
        raise BlockError(
            f"{blocks[0].document}: ports {', '.join(taken)} are in use; end the processes that use them, and retry"
        )
