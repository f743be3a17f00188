"""The check and conversion of config values."""

from __future__ import annotations

from typing import Any

import pytest

from lmcache_internal.engine.definitions import Definition
from lmcache_internal.errors import ConfigError

INT = Definition(int, 1)
FLOAT = Definition(float, 1.0)
BOOL = Definition(bool, False)
STR = Definition(str, "x")
PATH = Definition(str | None)
INTS = Definition(list[int] | None)
NAMES = Definition(list[str] | None)
DICT = Definition(dict[str, Any] | None)


@pytest.mark.parametrize(
    ("definition", "value", "converted"),
    [
        (INT, 512, 512),
        (INT, "512", 512),
        (INT, " -5 ", -5),
        (INT, 512.0, 512),
        (FLOAT, "2.5", 2.5),
        (FLOAT, 2, 2.0),
        (FLOAT, "1e3", 1000.0),
        (BOOL, True, True),
        (BOOL, "TRUE", True),
        (BOOL, "yes", True),
        (BOOL, "1", True),
        (BOOL, 1, True),
        (BOOL, "Off", False),
        (BOOL, 0, False),
        (STR, "as it is ", "as it is "),
        (STR, "", ""),
        (STR, 5, "5"),
        (PATH, None, None),
        (PATH, False, None),
        (INTS, [1, "2"], [1, 2]),
        (INTS, "1, 2", [1, 2]),
        (INTS, "[1,2]", [1, 2]),
        (INTS, 3, [3]),
        (INTS, "[]", []),
        (INTS, "", None),
        (NAMES, "os, re", ["os", "re"]),
        (NAMES, '["os", "re"]', ["os", "re"]),
        (NAMES, "['os']", ["os"]),
        (DICT, {"a": {"b": [1]}}, {"a": {"b": [1]}}),
        (DICT, '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        (DICT, "", None),
    ],
)
def test_values_are_converted_to_their_type(definition: Definition, value: Any, converted: Any) -> None:
    result = definition.convert("key", value)
    assert result == converted
    assert type(result) is type(converted)


@pytest.mark.parametrize(
    ("definition", "value", "expected"),
    [
        (INT, "abc", "expected int, got 'abc'"),
        (INT, 1.5, "expected int, got 1.5"),
        (INT, True, "expected int, got True"),
        (INT, "5_000", "expected int, got '5_000'"),
        (INT, "0x10", "expected int, got '0x10'"),
        (INT, None, "expected int, got None"),
        (INT, "", "expected int, got ''"),
        (INT, [5], "expected int, got [5]"),
        (FLOAT, "much", "expected float, got 'much'"),
        (FLOAT, float("nan"), "expected a finite number, got nan"),
        (FLOAT, "inf", "expected a finite number, got 'inf'"),
        (BOOL, "maybe", "expected bool, got 'maybe'"),
        (BOOL, 2, "expected bool, got 2"),
        (STR, True, "expected str, got True"),
        (STR, {"a": 1}, "expected str, got {'a': 1}"),
        (STR, None, "expected str, got None"),
        (PATH, True, "expected str, got True"),
        (INTS, "1,x", "expected list[int], got ['1', 'x']"),
        (INTS, True, "expected list[int], got [True]"),
        (DICT, "{bad", "expected dict[str, typing.Any], got '{bad'"),
        (DICT, "[1]", "expected dict[str, typing.Any], got [1]"),
        (DICT, {1: 2}, "expected dict[str, typing.Any], got {1: 2}"),
    ],
)
def test_invalid_values_are_errors_with_the_expected_type(definition: Definition, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        definition.convert("key", value)
    assert str(raised.value) == f"Invalid value for key: {expected}"


def test_a_huge_value_is_shortened_in_the_message() -> None:
    with pytest.raises(ConfigError, match=r"^Invalid value for key: expected int, got 'x{99}…$"):
        INT.convert("key", "x" * 10**6)


def test_minimum_is_the_smallest_value_allowed() -> None:
    definition = Definition(float, 1.0, minimum=0.5)
    assert definition.convert("key", "0.5") == 0.5
    with pytest.raises(ConfigError, match=r"Invalid value for key: expected at least 0\.5, got '0\.4'"):
        definition.convert("key", "0.4")


def test_converter_runs_last() -> None:
    definition = Definition(int, 1, env_converter=lambda value: {1: "one"}.get(value) or int("two"))
    assert definition.convert("key", "1") == "one"
    with pytest.raises(ConfigError, match="Invalid value for key: invalid literal for int"):
        definition.convert("key", "2")
    assert Definition(int | None, env_converter=str).convert("key", None) is None
