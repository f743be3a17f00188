"""Valid and invalid values of LMCACHE_INTERNAL_ADAPTER."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from lmcache_internal import EmbeddedConfig, EmbeddedEngine, EmbeddedManager, EmbeddedMetadata
from tests.support import CHUNK, SHAPE, make_manager

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


class Stubborn(EmbeddedManager):
    """A manager with a thread that blocks the exit of Python, and that needs another thread to stop, as in LMCache."""

    def __init__(self) -> None:
        super().__init__(EmbeddedConfig({"chunk_size": CHUNK}), EmbeddedMetadata("test-model", SHAPE))
        self._ended = threading.Event()
        threading.Thread(target=self._ended.wait).start()

    def stop_services(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._ended.set).result()
        print("stopped", flush=True)
