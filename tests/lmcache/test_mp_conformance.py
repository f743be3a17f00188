"""LMCache's own MP server and ours, on one engine, are asked the same requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.facts import Fact
from tests.conformance.mp_facts import MP_DIFFERENCES, MP_FACTS, TOKENS, MPFact
from tests.conformance.run import Answer, ask, differs
from tests.support import lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from tests.lmcache.mp_engine import Served, await_l2, serving, store, worker

Answers = dict[str, list[Answer]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("mp"), "tests.lmcache.mp_serve", ports=2) as process:
        yield process


@pytest.fixture(scope="module")
def answers(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    directory, found = tmp_path_factory.mktemp("answers"), {}
    with worker(served) as client:
        for kind, port in (("lmcache", served.http + 1), ("ours", served.http)):
            tokens = store(client)
            await_l2(served)
            time.sleep(1.0)  # The second time, the files of the first time are there.
            found[kind] = _ask_all(port, tokens, directory)
    return found


def _ask_all(port: int, tokens: list[int], directory: Path) -> list[Answer]:
    found: list[Answer] = []
    request_id = ""
    for fact in MP_FACTS:
        body = fact.encoded and fact.encoded.replace(json.dumps(TOKENS).encode(), json.dumps(tokens).encode())
        headers = {"Content-Type": "application/json", **fact.headers}
        asked = Fact("mp", fact.method, fact.path.replace("{request_id}", request_id), body, headers)
        answer = ask(port, asked, directory)
        until = time.monotonic() + 5
        while _is_pending(answer) and time.monotonic() < until:
            time.sleep(0.05)
            answer = ask(port, asked, directory)
        if isinstance(answer.content, dict) and "request_id" in answer.content:
            request_id = answer.content.pop("request_id")
        found.append(answer)
    return found


def _is_pending(answer: Answer) -> bool:
    return isinstance(answer.content, dict) and answer.content.get("status") == "pending"


def _found(theirs: Answer, ours: Answer, fact: MPFact) -> str | None:
    """How ours differs; None where a client of LMCache finds what it reads."""
    if theirs.status < 400 or theirs.media != "application/json":
        return differs(theirs, ours, fact.closeness)
    if (theirs.status, theirs.media) != (ours.status, ours.media):
        return f"{theirs.status} {theirs.media} != {ours.status} {ours.media}"
    # `error` alone is what the routes of periodic threads answer in-process, too.
    expected = ("error",) if theirs.content.keys() == {"error"} else ("error", "message")
    missing = [name for name in (*expected, *theirs.content) if not ours.content.get(name)]
    return f"without {missing}: {ours.content}" if missing else None


@pytest.mark.parametrize("number", range(len(MP_FACTS)), ids=lambda n: f"{n}-{MP_FACTS[n]}")
def test_ours_answers_as_lmcaches(answers: Answers, number: int) -> None:
    fact = MP_FACTS[number]
    found = _found(answers["lmcache"][number], answers["ours"][number], fact)
    difference = MP_DIFFERENCES[fact.difference] if fact.difference else None
    if difference is None or not difference.applies_to(lmcache_release()):
        assert found is None, f"{fact}: LMCache's {found} ours: {answers['ours'][number].content}"
    else:
        assert found is not None, f"{fact}: no longer differs; take {fact.difference} out"


def test_requests_reach_the_engine(answers: Answers) -> None:
    """The engine was filled, and there were a worker and objects to answer about."""
    for kind in ("lmcache", "ours"):
        by_path: dict[str, Any] = {str(fact): each for fact, each in zip(MP_FACTS, answers[kind], strict=True)}
        polled = next(each for fact, each in zip(MP_FACTS, answers[kind], strict=True) if "{request_id}" in fact.path)
        assert polled.content["found_keys"] == polled.content["total_keys"] > 0, by_path
        checksums = [each for fact, each in zip(MP_FACTS, answers[kind], strict=True) if "checksums" in fact.path]
        assert len(set(checksums[0].content["chunk_checksums"])) == 2


def test_every_difference_is_shown_by_a_fact() -> None:
    assert {fact.difference for fact in MP_FACTS} - {None} == set(MP_DIFFERENCES)
