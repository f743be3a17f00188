"""Write the software bill of materials (SBOM) of a wheel: the package and everything that pip installs with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

EXTRAS = ("cli", "docs")
_COMPONENT = """[project]
name = "lmcache-internal"
version = "{version}"
license = "Apache-2.0"
dependencies = {dependencies}
"""


def write_sbom(wheel: Path, scratch: Path, environment: dict[str, str]) -> Path:
    """Install a wheel into an empty environment, and write what is there, as CycloneDX JSON beside the wheel.

    Args:
        wheel: the wheel.
        scratch: a directory for the environment.
        environment: variables; SOURCE_DATE_EPOCH is the time in the document.
    """
    target = scratch / "installed"
    venv.create(target, with_pip=False)  # pip is not part of the product.
    python = str(target / ("Scripts" if os.name == "nt" else "bin") / "python")
    name, version, *_ = wheel.name.split("-")
    # By name, because an installation by path leaves that path in the document.
    requirement = f"{name}[{','.join(EXTRAS)}]=={version}"
    _run("pip", "--quiet", "--python", python, "install", "--find-links", str(wheel.parent), requirement)
    component = scratch / "pyproject.toml"
    component.write_text(_COMPONENT.format(version=version, dependencies=json.dumps(_dependencies(wheel))))
    document = wheel.parent / f"{name}-{version}.cdx.json"
    _run(
        *("cyclonedx_py", "environment", "--output-reproducible", "--pyproject", str(component)),
        *("--mc-type", "library", "--output-file", str(document), python),
        environment=environment,
    )
    return document


def _dependencies(wheel: Path) -> list[str]:
    """Return what a wheel requires, with its extras, without markers."""
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        required: list[str] = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    parts = [re.fullmatch(r"([^;]*)(?:; extra == \"(\w+)\")?", line) for line in required]
    return [found[1].strip() for found in parts if found and found[2] in (None, *EXTRAS)]


def _run(module: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], env=environment, check=True)
