"""What POST /cache/explain reports is what the engine then does, after any sequence of changes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lmcache_internal import EmbeddedManager, create_app
from tests.support import examples, make_manager

CHUNK = 16
FOUR_CHUNKS = 4 * 1024 / 2**30
BACKENDS = ("LocalCPUBackend", "LocalDiskBackend")

PROMPTS, TENANTS = ("one", "two"), (None, "a")
LONGEST = 5 * CHUNK + 3

lengths = st.sampled_from([CHUNK // 2, CHUNK, 2 * CHUNK + 5, 4 * CHUNK, LONGEST])
tenants = st.sampled_from(TENANTS)
prompts = st.sampled_from(PROMPTS)


def tokens_of(prompt: str, length: int) -> list[int]:
    """Return a prompt; both prompts have the same first chunk."""
    other = 1000 if prompt == "two" else 0
    return [number + (other if number >= CHUNK else 0) for number in range(length)]


def configs_of(tenant: str | None) -> dict[str, str] | None:
    return None if tenant is None else {"lmcache.tag.salt": tenant}


def stored_keys(manager: EmbeddedManager) -> dict[str, Sequence[object]]:
    """Return the keys of each backend in the order of eviction."""
    engine = manager.require_engine()
    return {name: backend.keys() for name, backend in engine.storage_manager.storage_backends.items()}


class Changes(RuleBasedStateMachine):
    """An engine with little memory and a little larger disk, and every change that affects what is cached."""

    @initialize(disk=st.booleans())
    def start(self, disk: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        values: dict[str, Any] = {"max_local_cpu_size": FOUR_CHUNKS}
        if disk:
            values |= {"local_disk": self.directory.name, "max_local_disk_size": 2 * FOUR_CHUNKS}
        self.manager = make_manager(**values)
        self.client = create_app(self.manager).test_client()

    def teardown(self) -> None:
        if hasattr(self, "manager"):
            self.manager.close()
            self.directory.cleanup()

    @rule(prompt=prompts, length=lengths, tenant=tenants)
    def store(self, prompt: str, length: int, tenant: str | None) -> None:
        self.manager.require_engine().store(tokens_of(prompt, length), configs_of(tenant))

    @rule(backend=st.sampled_from(BACKENDS))
    def clear(self, backend: str) -> None:
        self.client.delete(f"/cache/clear?locations={backend}")

    @rule(on=st.booleans())
    def freeze(self, on: bool) -> None:
        self.client.put(f"/freeze/{'enable' if on else 'disable'}")

    @rule(on=st.booleans())
    def hot_cache(self, on: bool) -> None:
        self.client.put(f"/hot_cache/{'enable' if on else 'disable'}")

    @rule(backend=st.sampled_from(BACKENDS), on=st.booleans())
    def bypass(self, backend: str, on: bool) -> None:
        self.client.put(f"/bypass/{'add' if on else 'remove'}?backend_name={backend}")

    @rule(backend=st.sampled_from(BACKENDS))
    def close(self, backend: str) -> None:
        self.client.delete(f"/backends/{backend}")

    @rule()
    def restore(self) -> None:
        assert self.client.post("/backends").status_code == 200
        for path in ("/freeze/disable", "/hot_cache/enable"):
            self.client.put(path)
        for backend in BACKENDS:
            self.client.put(f"/bypass/remove?backend_name={backend}")

    @rule(least=st.sampled_from([0, CHUNK + 1, 3 * CHUNK]))
    def min_retrieve_tokens(self, least: int) -> None:
        assert self.client.post("/conf", json={"min_retrieve_tokens": least}).status_code == 200

    @rule(prompt=prompts, length=lengths, tenant=tenants)
    def agrees_with_retrieve(self, prompt: str, length: int, tenant: str | None) -> None:
        explained = self.explain(prompt, length, tenant)
        hits = sum(self.manager.require_engine().retrieve(tokens_of(prompt, length), configs_of(tenant)))
        assert explained["hit_tokens"] == hits
        assert sum(chunk["end"] - chunk["start"] for chunk in explained["chunks"] if chunk["hit"]) == hits
        assert hits + explained["missing_tokens"] + explained["remainder_tokens"] == length
        codes = [each["code"] for each in explained["reasons"]]
        if length < CHUNK:
            assert codes == ["prompt-shorter-than-chunk"]
        else:
            assert bool(codes) == (explained["missing_tokens"] > 0)

    @invariant()
    def agrees_with_lookup(self) -> None:
        if not hasattr(self, "manager"):
            return
        engine = self.manager.require_engine()
        for prompt in PROMPTS:
            for tenant in TENANTS:
                before = stored_keys(self.manager)
                explained = self.explain(prompt, LONGEST, tenant)
                assert stored_keys(self.manager) == before  # Nothing is moved, evicted or marked as used.
                found = engine.lookup(tokens_of(prompt, LONGEST), request_configs=configs_of(tenant))
                assert explained["hit_tokens"] == (found if found >= self.manager.config.min_retrieve_tokens else 0)

    @invariant()
    def pins_nothing(self) -> None:
        if hasattr(self, "manager"):
            cpu = self.manager.require_engine().storage_manager.storage_backends.get("LocalCPUBackend")
            assert cpu is None or cpu.unpin_older_than(0) == 0  # type: ignore[union-attr]

    def explain(self, prompt: str, length: int, tenant: str | None) -> dict[str, Any]:
        body = {"tokens": tokens_of(prompt, length), "request_configs": configs_of(tenant)}
        found: dict[str, Any] = self.client.post("/cache/explain", json=body).get_json()
        return found


TestAgreement = Changes.TestCase
# A failure is not shrunk, because that takes minutes: the sequence of changes is short.
TestAgreement.settings = settings(
    max_examples=examples(30), stateful_step_count=25, deadline=None, phases=[Phase.reuse, Phase.generate]
)


@pytest.mark.parametrize("tenant", [None, "a"])
def test_lookup_agrees(manager: EmbeddedManager, tenant: str | None) -> None:
    engine = manager.require_engine()
    engine.store(tokens_of("one", 40), configs_of("a"))
    client = create_app(manager).test_client()
    tokens, configs = tokens_of("one", 48), configs_of(tenant)
    explained = client.post("/cache/explain", json={"tokens": tokens, "request_configs": configs}).get_json()
    assert explained["hit_tokens"] == engine.lookup(tokens, request_configs=configs)
