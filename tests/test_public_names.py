"""What `import lmcache_internal` promises."""

from __future__ import annotations

import subprocess
import sys

import lmcache_internal
from tests.support import ROOT


def test_all_is_exact() -> None:
    public = {
        name
        for name, value in vars(lmcache_internal).items()
        if not name.startswith("_") and not isinstance(value, type(lmcache_internal))
    }
    assert public | {"__version__"} == set(lmcache_internal.__all__)


def test_importing_it_imports_neither_lmcache_nor_torch() -> None:
    program = "import sys, lmcache_internal; sys.exit(bool({'lmcache', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
