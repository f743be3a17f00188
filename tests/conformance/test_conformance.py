"""Our server on a real engine responds as LMCache's does, and on the embedded engine as on a real one."""

from __future__ import annotations

import pytest

from tests.conformance.differences import DIFFERENCES
from tests.conformance.facts import FACTS
from tests.conformance.run import Answer, ask_all, differs
from tests.support import lmcache_release

Answers = dict[str, list[Answer]]

VERSION = lmcache_release()
# Before LMCache 0.4, all servers of a process share one app, so a scheduler beside a worker cannot be tested.
HAS_OWN_APP = VERSION >= (0, 4)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    directory = tmp_path_factory.mktemp("conformance")
    kinds = ("lmcache", "real", "embedded") if HAS_OWN_APP else ("real", "embedded")
    return {kind: ask_all(kind, FACTS, directory / kind) for kind in kinds}


@pytest.mark.parametrize("number", range(len(FACTS)), ids=lambda n: f"{n}-{FACTS[n]}")
def test_real_engine_matches_lmcache(answers: Answers, number: int) -> None:
    fact = FACTS[number]
    if not HAS_OWN_APP or (fact.since and fact.since > VERSION):
        pytest.skip("LMCache's server does not support the request in this version")
    found = differs(answers["lmcache"][number], answers["real"][number], fact.real)
    difference = DIFFERENCES[fact.difference] if fact.difference else None
    if difference is None or not difference.applies_to(VERSION):
        assert found is None, f"{fact}: LMCache's {found} ours"
    else:
        assert found is not None, f"{fact}: no longer differs; remove {fact.difference}"


@pytest.mark.parametrize(
    "number", [number for number, fact in enumerate(FACTS) if fact.embedded], ids=lambda n: f"{n}-{FACTS[n]}"
)
def test_embedded_engine_matches_real_engine(answers: Answers, number: int) -> None:
    fact = FACTS[number]
    assert fact.embedded is not None
    if fact.since and fact.since > VERSION:
        pytest.skip("the response differs in this version")
    found = differs(answers["real"][number], answers["embedded"][number], fact.embedded)
    assert found is None, f"{fact}: the real engine's {found} the embedded one's"


def test_every_difference_has_a_fact() -> None:
    assert {fact.difference for fact in FACTS} - {None} == set(DIFFERENCES)
