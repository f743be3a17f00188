"""Secrets are masked in every place, and other values are shown."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal.redaction import MASK, redact
from tests.redaction.test_names import OPEN
from tests.redaction.test_names import SECRET as SECRET_NAMES
from tests.support import examples


@pytest.mark.parametrize(("name", "value"), [("password", 1234), ("hf_token", 1234), ("hf_token", 0)])
def test_numbers_that_are_secrets_are_masked(name: str, value: int) -> None:
    assert redact(value, name) == MASK


@pytest.mark.parametrize("value", [None, True, False, ""])
def test_values_that_cannot_be_secrets_are_shown(value: Any) -> None:
    assert redact(value, "password") is value
    assert redact({"password": [value]}) == {"password": [value]}


def test_all_values_below_a_secret_name_are_masked() -> None:
    assert redact({"auth": {"user": "me", "more": [{"what": "hunter2", "on": True}]}}) == {
        "auth": {"user": MASK, "more": [{"what": MASK, "on": True}]}
    }
    assert redact({"passwords": ["a", ("b", ["c"])]}) == {"passwords": [MASK, [MASK, [MASK]]]}


def test_secrets_are_found_at_any_depth() -> None:
    deep = {"a": [{"b": ({"hf_token": "hunter2", "num_tokens": 5},)}]}
    assert redact(deep) == {"a": [{"b": [{"hf_token": MASK, "num_tokens": 5}]}]}


def test_original_is_not_modified() -> None:
    original = {"a": [{"hf_token": "hunter2"}], "url": "redis://u:p@h", "auth": {"x": ["y"]}}
    before = copy.deepcopy(original)
    redact(original)
    assert original == before


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hunter2@host", "redis://***@host"),
        ("redis://:hunter@2@host", "redis://***@host"),
        ("redis://u:p@h1:1,redis://v:q@h2:2", "redis://***@h1:1,redis://***@h2:2"),
        ("cannot reach redis://u:p@h, giving up", "cannot reach redis://***@h, giving up"),
        ("s3://bucket/x?sig=abc&part=1#top", "s3://bucket/x?sig=***&part=***#top"),
        ("http://host/users/@me", "http://host/users/@me"),
        ("http://host/a b@c", "http://host/a b@c"),
        ("someone@example.org", "someone@example.org"),
        ("a?b=c", "a?b=c"),
        ("Authorization: Bearer abc.DEF-123=", "Authorization: Bearer ***"),
        ("sent basic dXNlcjpwYXNz", "sent basic ***"),
        ("the bearer is here", "the bearer is here"),
    ],
)
def test_secrets_in_texts_are_masked_by_their_place(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact([{"message": text}]) == [{"message": redacted}]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ('{"hf_token": "hunter2", "a": 1}', {"hf_token": MASK, "a": 1}),
        ('\n [{"password": "hunter2"}]', [{"password": MASK}]),
        ('{"a": "{\\"hf_token\\": \\"hunter2\\"}"}', {"a": '{"hf_token": "***"}'}),
        ('"{\\"hf_token\\": \\"hunter2\\"}"', '{"hf_token": "***"}'),
        ('{"url": "redis://u:hunter2@h"}', {"url": "redis://***@h"}),
        ('{"password": "hunter2", "password": null}', {"password": [MASK, None]}),
    ],
)
def test_secrets_in_json_text_are_masked(text: str, redacted: Any) -> None:
    assert json.loads(redact(text)) == redacted


@pytest.mark.parametrize(
    "text", ["[1,  2]  ", '{"a":"\u00e9"}', '{"num_tokens":5}', "{", "[INFO] fine", "{not json}", "{'a': 1}"]
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


def test_urls_in_invalid_json_are_masked() -> None:
    assert redact("{redis://u:p@h}") == "{redis://***@h}"


@pytest.mark.parametrize(
    "text",
    ['{"password": "hunter2"', "{'hf_token': 'hunter2'}", "[{'a': {'password': 'hunter2'}}]", "{password=hunter2}"],
)
def test_invalid_json_with_a_secret_name_is_masked(text: str) -> None:
    assert redact(text) == MASK


def test_very_deep_json_shows_no_secret() -> None:
    # The maximum depth depends on the version of Python.
    assert redact("[" * 100_000) in (MASK, "[" * 100_000)
    assert "hunter2" not in redact("[" * 900 + '{"password": "hunter2"}' + "]" * 900)


class Failing:
    def __str__(self) -> str:
        raise ValueError("S3cret")


def test_object_without_text_is_masked() -> None:
    assert redact({"a": Failing()}) == {"a": MASK}


def test_circular_data_is_masked() -> None:
    circle: list[Any] = ["S3cret"]
    circle.append(circle)
    assert redact({"password": circle}) == MASK
    assert redact(circle) == MASK


SECRET = "S3cret-only-here"
texts = st.text(max_size=8) | st.sampled_from(["redis://u:p@h", "Bearer abcdefgh", "{", "[1]"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
names = st.text(max_size=8) | st.sampled_from([*SECRET_NAMES, *OPEN])
structures = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@st.composite
def with_a_secret(draw: st.DrawFn) -> Any:
    """Generate a structure that contains the secret under a secret name, possibly in JSON text."""
    value: Any = {**draw(st.dictionaries(names, structures, max_size=2)), draw(st.sampled_from(SECRET_NAMES)): SECRET}
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["list", "dict", "text"]))
        if kind == "list":
            value = [*draw(st.lists(structures, max_size=2)), value]
        elif kind == "dict":
            value = {**draw(st.dictionaries(names, structures, max_size=2)), draw(names): value}
        else:
            value = draw(st.sampled_from(["", " ", "\n"])) + json.dumps(value)
    return value


@settings(max_examples=examples(200), deadline=None)
@given(with_a_secret())
def test_value_of_a_secret_name_is_never_shown(value: Any) -> None:
    assert SECRET in json.dumps(value)
    assert SECRET not in json.dumps(redact(value))
