"""A lazy rule builds the same URLs as a rule of werkzeug, and compiles nothing before."""

from __future__ import annotations

from typing import Any

import pytest
from flask import url_for
from werkzeug.routing import BuildError, Map, Rule

from lmcache_internal import create_app
from lmcache_internal.operations.lazy_rule import LazyRule
from tests.support import in_thread

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
    """Return the URL of each path with `values`, with unknown values in the query and without them."""
    rules = [kind(path, endpoint=path) for path in PATHS] + [kind("/d", endpoint="/d", defaults={"page": 1})]
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
def test_it_builds_the_urls_of_werkzeug(values: dict[str, Any]) -> None:
    expected = urls(Rule, values)
    assert urls(LazyRule, values) == expected
    assert len(set(expected)) > 1


def test_an_app_compiles_only_the_builders_that_are_used() -> None:
    app = create_app(None)
    rules = list(app.url_map.iter_rules())
    assert rules
    assert [rule.rule for rule in rules if "_builders" in vars(rule)] == []
    with app.test_request_context():
        assert url_for("docs.part", name="a b.js", v="1") == "/docs/a%20b.js?v=1"
    assert [rule.rule for rule in rules if "_builders" in vars(rule)] == ["/docs/<name>"]


def test_several_threads_may_build_the_first_url() -> None:
    adapter = Map([LazyRule("/<name>", endpoint="one")]).bind("localhost")
    building = [in_thread(lambda: adapter.build("one", {"name": "x", "q": "1"})) for _ in range(8)]
    for thread, _ in building:
        thread.join()
    assert [results for _, results in building] == [["/x?q=1"]] * 8
