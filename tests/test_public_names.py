"""What `import lmcache_internal` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lmcache_internal
from tests.support import ROOT


def test_every_public_name_is_there() -> None:
    for name in lmcache_internal.__all__:
        assert getattr(lmcache_internal, name, None) is not None, name
    with pytest.raises(AttributeError, match=r"module 'lmcache_internal' has no attribute 'creat_app'"):
        lmcache_internal.creat_app  # type: ignore[attr-defined]  # noqa: B018  # A type checker must see it, too.


def test_importing_it_imports_nothing_heavy() -> None:
    program = """
import sys, lmcache_internal
assert set(lmcache_internal.__all__) <= set(dir(lmcache_internal))
assert not {"flask", "waitress", "lmcache", "torch"} & sys.modules.keys()
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_serving_imports_neither_lmcache_nor_torch() -> None:
    program = "import sys; from lmcache_internal import *; sys.exit(bool({'lmcache', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
