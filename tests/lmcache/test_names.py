"""Each name of LMCache is defined in the module of the table; the test fails if a release has moved a name."""

from __future__ import annotations

import importlib

import pytest

from lmcache_internal.engine.lmcache_names import TABLE, load, module_of
from tests.support import lmcache_release, release_of


@pytest.mark.parametrize("name", TABLE)
def test_name_is_defined_in_the_module_of_the_table(name: str) -> None:
    modules = [module for since, module in TABLE[name].items() if release_of(since) <= lmcache_release()]
    if not modules:
        with pytest.raises(ImportError, match=name):
            load(name)
        return
    assert module_of(name) == modules[-1]
    assert load(name) is getattr(importlib.import_module(modules[-1]), name)
