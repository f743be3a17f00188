"""The real classes have every attribute and method that `engine/protocols.py` lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lmcache_internal.engine import protocols
from lmcache_internal.engine.lmcache import LMCacheRuntime
from lmcache_internal.engine.lmcache_names import load
from lmcache_internal.engine.runtime import Runtime
from lmcache_internal.engine.select import runtime_of
from lmcache_internal.testing.real_engine import make_worker


@pytest.fixture(scope="module")
def manager() -> Iterator[Any]:
    made = make_worker("protocols")
    yield made
    made.stop_services()


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        (protocols.Manager, ""),
        (protocols.Config, "config"),
        (protocols.Metadata, "lmcache_engine_metadata"),
        (protocols.Engine, "lmcache_engine"),
        (protocols.StorageManager, "lmcache_engine.storage_manager"),
    ],
)
def test_real_object_has_the_attributes_of_the_protocol(manager: Any, protocol: type, path: str) -> None:
    found = manager
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    names = protocols.members_of(protocol)
    assert names
    assert {name for name in names if not hasattr(found, name)} == set()


def test_statistics_client_has_the_attributes_of_the_protocol() -> None:
    names = protocols.members_of(protocols.StatisticsClient)
    client = load("ChunkStatisticsLookupClient")
    assert {name for name in names if not hasattr(client, name)} == set()


def test_real_manager_gets_the_real_runtime(manager: Any) -> None:
    runtime = runtime_of(manager)
    assert isinstance(runtime, LMCacheRuntime)
    names = set().union(*map(protocols.members_of, Runtime.__mro__))
    assert {"lmc_version", "store", "kv_layers"} < names <= set(dir(runtime))


def test_definitions_are_lmcaches_own(manager: Any) -> None:
    definitions = runtime_of(manager).definitions
    theirs = load("_CONFIG_DEFINITIONS")
    assert definitions.keys() == theirs.keys()
    for name, definition in definitions.items():
        assert definition.default == theirs[name]["default"]


def test_conversion_does_not_change_defaults(manager: Any) -> None:
    for name, definition in runtime_of(manager).definitions.items():
        if definition.default is not None and definition.default != float("inf"):
            assert definition.convert(name, definition.default) == definition.default, name
