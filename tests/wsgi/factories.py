"""What LMCACHE_INTERNAL_ADAPTER may name, and should not."""

from __future__ import annotations

import os

from lmcache_internal import EmbeddedConfig, EmbeddedEngine, EmbeddedManager
from tests.support import make_manager

NOT_CALLABLE = {"chunk_size": 16}
_FIRST_PROCESS = os.getpid()


def make() -> EmbeddedManager:
    return make_manager()


def make_in_the_first_process() -> EmbeddedManager:
    if os.getpid() != _FIRST_PROCESS:
        raise RuntimeError("not in this process")
    return make_manager()


def make_of(config: EmbeddedConfig) -> EmbeddedManager:
    raise AssertionError(config)


def make_nothing() -> None:
    pass


def make_an_engine() -> EmbeddedEngine:
    return make_manager().require_engine()
