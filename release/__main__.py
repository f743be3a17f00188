"""Build the last commit into a directory: sdist, wheel, SBOM, and the SHA-256 sums of the three.

Two builds of one commit have the same bytes: the files and their modes come from git, all times are the time of the
commit, and the build tools have fixed versions. So anyone can check that a release was built from its source.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .sbom import write_sbom
from .sdist import normalize

ROOT = Path(__file__).parent.parent
CONSTRAINTS = Path(__file__).with_name("constraints.txt")


def main() -> None:
    """Build and check a release."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the directory to replace (default: dist)")
    dist: Path = parser.parse_args().dist.absolute()
    if _git("status", "--porcelain"):
        print("Warning: changes that are not committed are not part of the release.", file=sys.stderr)
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    os.umask(0o022)  # Wheels contain the modes of files.
    with tempfile.TemporaryDirectory() as directory:
        build(Path(directory), dist)
    print((dist / "SHA256SUMS").read_text(), end="")


def build(scratch: Path, dist: Path) -> None:
    """Write the files of the release.

    Args:
        scratch: an empty directory.
        dist: the directory to write to; it is empty.
    """
    epoch = _git("log", "-1", "--format=%ct").strip()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PIP_CONSTRAINT": str(CONSTRAINTS)}
    source = _export(scratch / "source")
    _run("build", "--quiet", "--outdir", str(dist), str(source), environment=environment)
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    normalize(sdist, int(epoch))
    _run("twine", "check", "--strict", str(wheel), str(sdist))
    _run("check_wheel_contents", str(wheel))
    write_sbom(wheel, scratch, environment)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(dist.iterdir())]
    (dist / "SHA256SUMS").write_text("".join(sums))


def _export(directory: Path) -> Path:
    """Write the files of the last commit to a new directory."""
    directory.mkdir()
    archive = subprocess.run(
        ["git", "-c", "tar.umask=0022", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "--extract", "--directory", directory], input=archive, check=True)
    return directory


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _run(module: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], env=environment, check=True)


if __name__ == "__main__":
    main()
