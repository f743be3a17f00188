"""GET /conf returns the current values although it caches the serialized configuration."""

from __future__ import annotations

import array
import collections
import math
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal import EmbeddedManager
from lmcache_internal.configuration.snapshot import _of_snapshot, masked
from lmcache_internal.operations.serialize import encode_json
from lmcache_internal.redaction import redact
from tests.support import examples


def shown(client: FlaskClient, path: str = "/conf?names=extra_config") -> tuple[str, str]:
    """Return text and entity tag."""
    response = client.get(path)
    assert response.status_code == 200
    return response.text, response.headers["ETag"]


class Named(str):
    """A subclass of str."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Named"


# Pairs that are equal in Python, in JSON, or as bytes.
ALIKE = [
    *(1, True, 1.0, "1", None, math.nan, math.inf, -math.inf, 0, False, 0.0, -0.0, "", "None", "NaN"),
    *([1], (1,), [True], [[1]], {"1": 1}, {1: 1}, {True: 1}, {"1": True}, [], (), {}, "\ud800", "\\ud800", 1 << 70),
    *(b"ab", bytearray(b"ab"), array.array("B", b"ab"), array.array("H", b"ab"), "ab", memoryview(b"ab")),
    *({1, 2}, frozenset({1, 2}), 1j, Named("a"), Named("b"), collections.OrderedDict(a=1), {"a": 1}, ..., len),
]


@pytest.mark.parametrize("first", ALIKE, ids=repr)
def test_similar_values_have_different_tags(first: Any) -> None:
    for second in ALIKE:
        for value in (first, second):
            text = masked({"a": [value]}).text
            assert text == encode_json(redact({"a": [value]}), indent=2).decode()
        if repr(first) != repr(second):
            assert masked({"a": [first]}).tag != masked({"a": [second]}).tag


leaves = st.sampled_from([value for value in ALIKE if value is not ...]) | st.text(max_size=3) | st.floats()
structures = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=examples(200), deadline=None)
@given(structures, structures)
def test_tags_are_equal_only_for_equal_content(first: Any, second: Any) -> None:
    one, other = masked({"a": first}), masked({"a": second})
    assert (one.tag == other.tag) is (repr(first) == repr(second))
    assert one == masked({"a": first})


def test_nested_change_is_visible_immediately(client: FlaskClient, manager: EmbeddedManager) -> None:
    inner: dict[str, Any] = {"list": [1, {"x": 1}]}
    manager.config.extra_config = {"a": inner}
    seen = [shown(client)]
    for change in (
        lambda: inner["list"].append(2),
        lambda: inner["list"][1].update(x=True),
        lambda: inner["list"][1].update(x=1.0),
        lambda: inner["list"][1].update(x="1"),
        lambda: inner.update(more=None),
        lambda: inner.pop("list"),
    ):
        change()
        seen.append(shown(client))
        assert seen[-1][0] == encode_json({"extra_config": {"a": inner}}, indent=2).decode()
        assert shown(client, "/conf")[1] == seen[-1][1]
    assert len({text for text, _ in seen}) == len({tag for _, tag in seen}) == 7
    inner.clear()
    inner["list"] = [1, {"x": 1}]
    assert shown(client) == seen[0]


def test_object_with_changing_str_is_serialized_again(client: FlaskClient, manager: EmbeddedManager) -> None:
    thing = SimpleNamespace(state="idle")
    manager.config.extra_config = {"thing": thing}
    idle = shown(client)
    thing.state = "busy"
    busy = shown(client)
    assert "busy" in busy[0]
    assert idle[1] != busy[1]


def test_secrets_stay_masked_when_they_change(
    client: FlaskClient, manager: EmbeddedManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    seen = []
    for number in range(12):  # More values than the cache holds.
        manager.config.extra_config = {"hf_token": f"s3cret-{number % 10}", "url": f"redis://u:s3cret-{number % 10}@h"}
        seen.append(shown(client))
        assert "s3cret" not in seen[-1][0] + seen[-1][1] + caplog.text
    assert len({text for text, _ in seen}) == 1
    assert len({tag for _, tag in seen}) == 10
    assert seen[10:] == seen[:2]


def test_renamed_secret_key_is_masked(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.config.extra_config = {"hint": "hunter2"}
    assert "hunter2" in shown(client)[0]
    manager.config.extra_config["password"] = manager.config.extra_config.pop("hint")
    assert "hunter2" not in shown(client)[0]


def test_unchanged_config_is_serialized_once(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.config.extra_config = {"a": [{"b": 1}]}
    first = shown(client, "/conf")
    worked_out = _of_snapshot.cache_info().misses
    assert shown(client, "/conf") == first
    manager.config.extra_config = {"a": [{"b": 1}]}
    assert shown(client, "/conf") == first
    assert _of_snapshot.cache_info().misses == worked_out
