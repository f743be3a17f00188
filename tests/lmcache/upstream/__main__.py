"""Run LMCache's own tests of its internal API server, unchanged, against this server.

    python -m tests.lmcache.upstream

The tests are in the source distribution of the installed version, which is downloaded once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.support import ROOT

SDISTS = Path(sys.prefix) / "sdists"
PLUGIN = Path(__file__).parent / "against_ours.py"
HOMES = ("tests/inprocess/v1/internal_api_server", "tests/v1/internal_api_server")
"""The directories of the tests: since LMCache 0.5.7, and before."""


def sdist_of(release: str) -> Path:
    """Return the source distribution of a version of LMCache; download it if needed."""
    path = SDISTS / f"lmcache-{release}.tar.gz"
    if not path.exists():
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", "lmcache", "--dest", str(SDISTS)]
        # pip runs LMCache's setup.py for the metadata, which would search for CUDA.
        environ = os.environ | {"NO_NATIVE_EXT": "1", "NO_CUDA_EXT": "1"}
        command = [sys.executable, "-m", "pip", "download", *options, f"lmcache=={release}"]
        subprocess.run(command, env=environ, check=True)
    return path


def extracted(sdist: Path, directory: Path) -> str:
    """Extract only the tests into `directory`; return the directory of the server's tests."""
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            member.name = member.name.partition("/")[2]
            if member.name == "pytest.ini" or member.name.startswith("tests/"):
                archive.extract(member, directory, filter="data")
    for home in HOMES:
        if (directory / home).is_dir():
            return home
    raise FileNotFoundError(f"{sdist.name} has no tests of the internal API server in {' or '.join(HOMES)}")


def main() -> int:
    """Run the tests; return pytest's exit code."""
    release = version("lmcache")
    with tempfile.TemporaryDirectory() as directory:
        home = extracted(sdist_of(release), Path(directory))
        print(f"== LMCache {release}: its own tests of the internal API server, against this one", flush=True)
        # This order is required: the package `tests` must be LMCache's.
        environ = {
            "PYTHONPATH": os.pathsep.join([directory, str(PLUGIN.parent), str(ROOT)]),
            "LMCACHE_TRACK_USAGE": "false",
        }
        options = ["-q", "-W", "default", "-p", "no:cacheprovider", "-p", PLUGIN.stem, "-o", "log_cli=false"]
        command = [sys.executable, "-m", "pytest", *options, "--disable-warnings", home]
        return subprocess.run(command, cwd=directory, env=os.environ | environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
