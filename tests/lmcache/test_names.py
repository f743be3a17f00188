"""Each name of LMCache that is used is where the table has it: a release that moves one fails here, by name."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import version

import pytest

from lmcache_internal.engine.lmcache_names import TABLE, home, load


def release(text: str) -> tuple[int, ...]:
    """Of a version such as 0.5.7rc2, the numbers of the release that it is or will be."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[a-z]|\.dev|\.post", text)[0]))


INSTALLED = release(version("lmcache"))


@pytest.mark.parametrize("name", TABLE)
def test_name_is_where_the_table_has_it(name: str) -> None:
    modules = [module for since, module in TABLE[name].items() if release(since) <= INSTALLED]
    if not modules:
        with pytest.raises(ImportError, match=name):
            load(name)
        return
    assert home(name) == modules[-1]
    assert load(name) is getattr(importlib.import_module(modules[-1]), name)
