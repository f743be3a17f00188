"""Rules that learn late how to build URLs build the same ones."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import url_for
from werkzeug.routing import BuildError, Map, Rule

from lmcache_internal import create_app
from lmcache_internal.rules import LazyRule

PATHS = ["/", "/a b/ü", "/<name>", "/n/<int:number>", "/any/<any(one, two):which>", "/<path:rule>/end", "/d/<int:page>"]
VALUES: list[dict[str, Any]] = [
    {},
    {"name": "x y/ü"},
    {"number": 7},
    {"number": "no number"},
    {"which": "two"},
    {"which": "three"},
    {"rule": "a/b"},
    {"rule": "a/b", "self": "s", "values": ["1", "2"]},
    {"page": 3, "q": "a&b"},
    {"q": None},
]


def urls(kind: type[Rule], values: dict[str, Any]) -> list[str]:
    """What each of the rules makes of `values`, unknown ones and all."""
    rules = [kind(path, endpoint=path, defaults={"page": 1} if path == "/d" else None) for path in [*PATHS, "/d"]]
    adapter = Map(rules).bind("localhost", "/mounted")
    found = []
    for rule in rules:
        for append_unknown in (True, False):
            try:
                found.append(adapter.build(rule.endpoint, values, append_unknown=append_unknown))
            except (BuildError, ValueError) as error:
                found.append(type(error).__name__)
    return found


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_they_build_what_other_rules_build(values: dict[str, Any]) -> None:
    assert urls(LazyRule, values) == urls(Rule, values)
    assert len(set(urls(Rule, values))) > 1


def test_no_rule_of_an_app_has_learned_to_build_before_it_is_asked_to() -> None:
    app = create_app(None)
    rules = list(app.url_map.iter_rules())
    assert rules
    assert not [rule for rule in rules if "_builders" in vars(rule)]
    with app.test_request_context():
        assert url_for("docs.part", name="a b.js", v="1") == "/docs/a%20b.js?v=1"
    assert [rule.rule for rule in rules if "_builders" in vars(rule)] == ["/docs/<name>"]


def test_many_threads_may_be_the_first_to_ask() -> None:
    adapter = Map([LazyRule("/<name>", endpoint="one")]).bind("localhost")
    start, found = threading.Barrier(8), []

    def build() -> None:
        start.wait(10)
        found.append(adapter.build("one", {"name": "x", "q": "1"}))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == ["/x?q=1"] * 8
