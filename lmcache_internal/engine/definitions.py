"""Config definitions: the type, default and rules of each key, and the conversion of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_origin

import msgspec
from msgspec import Struct

from ..conversion import MAX_DEPTH, cut, is_too_deep, parse_bool, type_name, without_none
from ..errors import ConfigError
from ..redaction import quoted, redact

_NO_VALUE = frozenset({"", "none", "null", "~"})
"""Texts that mean no value, for keys that may have none."""
_LARGEST_INT = (1 << 63) - 1

GENERATED = frozenset({"lmcache_instance_id"})
"""Keys that each rank generates if they are not set."""

TakesEffect = Literal["at once", "when its backend is recreated", "at restart", "never", "unknown"]
"""When a changed value takes effect; "unknown" if it was not examined."""


class Definition(Struct, frozen=True):
    """One config key.

    Attributes:
        type: `int`, `float`, `bool`, `str`, `dict`, `list[…]`, or one of them `| None`.
        default: the value if it is not set.
        env_converter: converts a checked value to the stored value; None stores it unchanged.
        mutable: whether it may change while the engine runs.
        minimum: the smallest number allowed; None for no limit.
        maximum: the largest number allowed; None for no limit.
        from_text: parses a text before the conversion; raises `ValueError` if the text is invalid.
        description: one sentence for users.
        takes_effect: when a changed value takes effect; not needed for immutable keys ("at restart").
    """

    type: Any
    default: Any = None
    env_converter: Callable[[Any], Any] | None = None
    mutable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    from_text: Callable[[str], Any] | None = None
    description: str = ""
    takes_effect: TakesEffect = "unknown"

    def convert(self, name: str, value: Any) -> Any:
        """Return `value`, from YAML, JSON or an environment variable, as this key stores it.

        Raises:
            ConfigError: "Invalid value for chunk_size: expected int, got 'abc'".
        """
        bare, optional = without_none(self.type)
        if value is None or (value == "" and bare is not str) or (optional and _means_none(value)):
            if optional or self.default is None:
                return None
            raise _invalid(name, bare, value)
        if optional and bare is str and str(value).strip().lower() == "false":
            return None  # `local_disk: false` and LMCACHE_LOCAL_DISK=false mean no directory.
        converted = _convert(name, self._read(name, value), bare)
        expected = self._expected(converted)
        if expected:
            raise ConfigError(f"Invalid value for {name}: expected {expected}, got {quoted(value, name)}")
        if self.env_converter is None:
            return converted
        try:
            return self.env_converter(converted)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"Invalid value for {name}: {cut(str(redact(str(error), name)))}") from error

    def _read(self, name: str, value: Any) -> Any:
        if self.from_text is None or not isinstance(value, str):
            return value
        try:
            return self.from_text(value)
        except ValueError as error:
            raise ConfigError(f"Invalid value for {name}: {error}, got {quoted(value, name)}") from None

    def _expected(self, converted: Any) -> str:
        """Return what is expected instead of a value of the correct type; empty if the value is valid."""
        if isinstance(converted, float) and not math.isfinite(converted):
            return "a finite number"
        if self.minimum is not None and converted < self.minimum:
            return f"at least {self.minimum:g}"
        if self.maximum is not None and converted > self.maximum:
            return f"at most {self.maximum:.6g}"
        if isinstance(converted, int) and abs(converted) > _LARGEST_INT:
            return f"at most {_LARGEST_INT}"
        if is_too_deep(converted):
            return f"at most {MAX_DEPTH} nested lists and mappings"
        return ""


def _means_none(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in _NO_VALUE


def _convert(name: str, value: Any, bare: Any) -> Any:
    if isinstance(value, str):
        value = _parse(value, bare)
    elif bare is str:
        if isinstance(value, (bool, dict, list)):
            raise _invalid(name, bare, value)
        return str(value)
    elif get_origin(bare) is list and not isinstance(value, list):
        value = [value]
    try:
        return msgspec.convert(value, bare, strict=False)
    except msgspec.ValidationError:
        raise _invalid(name, bare, value) from None


def _parse(text: str, bare: Any) -> Any:
    """Return the value that a string represents if another type is expected."""
    if bare is bool:
        truth = parse_bool(text)
        return text if truth is None else truth
    if get_origin(bare) is list or bare is list:
        return [part.strip(" '\"") for part in text.strip("[] ").split(",") if part.strip()]
    if bare is dict or get_origin(bare) is dict:
        try:
            return msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return text
    return text if bare is str else text.strip()


def _invalid(name: str, bare: Any, value: Any) -> ConfigError:
    return ConfigError(f"Invalid value for {name}: expected {type_name(bare)}, got {quoted(value, name)}")
