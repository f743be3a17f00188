"""Values of every type: their JSON shows no secrets, and keeps everything else."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import logging
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal import create_app
from lmcache_internal.operations.serialize import encode_json
from lmcache_internal.redaction import MASK, redact, redact_trace
from tests.support import examples, make_manager

SECRET = "S3cret-only-here"
NUMBER = 918273645.25
NAMES = ["password", "HF_TOKEN", "azure_storage_key", "SSHPASS", "creds", "Set-Cookie"]
OTHER_NAMES = ["a", "remote", "kv_key", "chunk_size", "token_file"]


@dataclasses.dataclass
class Data:
    password: Any
    size: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    api_key: Any


class Record(msgspec.Struct, rename={"secret": "clientSecret"}):
    secret: Any
    size: int = 5


class Login(NamedTuple):
    user: str
    password: Any


class Written:
    """An object of which JSON contains only the text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def one_of(value: Any, **options: Any) -> Any:
    make: Any = Enum
    return make("Choice", {"ONLY": value}, **options).ONLY


ANY_TYPE: dict[str, Callable[[str], Any]] = {
    "str": str,
    "bytes": str.encode,
    "bytearray": lambda text: bytearray(text.encode()),
    "memoryview": lambda text: memoryview(text.encode()),
    "enum": one_of,
    "string enum": lambda text: one_of(text, type=str),
    "path": PurePosixPath,
    "set": lambda text: {text},
    "frozenset": lambda text: frozenset([text]),
    "tuple": lambda text: (text, [text]),
    "deque": lambda text: deque([text]),
    "mapping proxy": lambda text: MappingProxyType({"a": text}),
    "dataclass": lambda text: Data(text),
    "struct": lambda text: Record(text),
    "named tuple": lambda text: Login("me", text),
    "namespace": lambda text: SimpleNamespace(a=text),
    "parsed arguments": lambda text: argparse.Namespace(a=text),
    "object": Written,
    "objects": lambda text: [Written(text), {"a": Written(text)}],
}
"""Types of values under a secret name."""

NUMBERS: list[Any] = [
    *(918273645, 918273645.25, Decimal("918273645.25"), UUID(int=918273645 << 64), complex(918273645, 1)),
    *(one_of(918273645), [918273645], {"a": 918273645.25}, Data(918273645)),
]

CONTAINERS_OF_SECRETS: dict[str, Callable[[str], Any]] = {
    "dataclass": lambda text: Data(text),
    "slots": lambda text: Slotted(text),
    "struct": lambda text: Record(text),
    "named tuple": lambda text: Login("me", text),
    "namespace": lambda text: SimpleNamespace(api_key=text, size=5),
    "parsed arguments": lambda text: argparse.Namespace(password=text, size=5),
    "namespace of bytes": lambda text: SimpleNamespace(token=text.encode()),
    "text of an object": lambda text: Written(f"<Client host=h password={text}>"),
    "text of an enum in an object": lambda text: Written(f"Client(auth=<Kind.A: {text!r}>, host='h')"),
    "text of a mapping": lambda text: Written(repr({"host": "h", "password": text})),
    "bytes": lambda text: f"redis://u:{text}@h".encode(),
    "bytes of JSON": lambda text: json.dumps({"password": text}).encode(),
    "enum": lambda text: one_of(f"redis://u:{text}@h"),
    "path": lambda text: PurePosixPath(f"password={text}"),
    "keys": lambda text: {f"redis://u:{text}@h": 1, f"Bearer {text}".encode(): 2},
    "arguments": lambda text: ["serve", "--api-key", text, "--port", "1"],
    "variable": lambda text: {"name": "HF_TOKEN", "value": text},
    "tag": lambda text: {"Key": "HF_TOKEN", "Value": text},
    "values": lambda text: {"key": "db_password", "values": [text]},
    "deep": lambda text: Data(size=5, password=[Record({"x": Login("me", {text})})]),
    "inside others": lambda text: SimpleNamespace(inner=SimpleNamespace(auth={"user": text})),
}
"""Types of values that contain a secret name or form, under any name."""


def shown(value: Any) -> str:
    """Return the JSON of the masked value, also from the slower encoder for text that is not UTF-8; bytes decoded."""
    encoded = (encode_json(redact(value)) + encode_json([redact(value), "\udc80"])).decode()
    decoded = [base64.b64decode(part).decode("latin-1") for part in encoded.split('"') if is_base64(part)]
    return "\n".join([encoded, *decoded])


def is_base64(text: str) -> bool:
    return (
        len(text) >= 8
        and len(text) % 4 == 0
        and text.isascii()
        and text.rstrip("=").replace("+", "").replace("/", "").isalnum()
    )


wrappings = st.lists(st.sampled_from(["list", "tuple", "dict", "dataclass", "json"]), max_size=3)


def wrapped(value: Any, kinds: list[str], name: str) -> Any:
    for kind in kinds:
        if kind == "list":
            value = [1, value, None]
        elif kind == "tuple":
            value = (value,)
        elif kind == "dict":
            value = {name: value, "b": True}
        elif kind == "dataclass":
            value = Holder(value)
        else:
            value = json.dumps(value) if is_plain(value) else value
    return value


@dataclasses.dataclass
class Holder:
    held: Any


def is_plain(value: Any) -> bool:
    """Return whether JSON keeps the whole value. Of a named tuple, it does not keep the names."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, bool)


@settings(deadline=None)
@given(st.sampled_from(sorted(ANY_TYPE)), st.sampled_from(NAMES), wrappings, st.sampled_from(OTHER_NAMES))
def test_value_of_any_type_under_a_secret_name_is_masked(kind: str, name: str, around: list[str], other: str) -> None:
    value = wrapped({name: ANY_TYPE[kind](SECRET), "c": 5}, around, other)
    assert SECRET not in shown(value)
    assert MASK in shown(value)


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_numbers_under_a_secret_name_are_masked(value: Any, name: str) -> None:
    assert "18273645" not in shown({name: value})
    assert str(918273645 << 64)[:8] not in shown({name: value})


@settings(deadline=None)
@given(st.sampled_from(sorted(CONTAINERS_OF_SECRETS)), st.sampled_from(OTHER_NAMES), wrappings)
def test_secret_inside_any_type_is_masked(kind: str, name: str, around: list[str]) -> None:
    value = wrapped({name: CONTAINERS_OF_SECRETS[kind](SECRET), "c": 5}, around, name)
    assert SECRET not in shown(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Data("x"), {"password": MASK, "size": 5}),
        (Record("x"), {"clientSecret": MASK, "size": 5}),
        (Login("me", "x"), ["me", MASK]),
        (SimpleNamespace(size=5, api_key="x"), "namespace(size=5, api_key='***')"),
        (PurePosixPath("/var/run"), "/var/run"),
        (Decimal("1.5"), "1.5"),
        (one_of("x"), "x"),
        (b"plain", "cGxhaW4="),
        ({1: "a", None: 2, 1.5: 3}, {"1": "a", "None": 2, "1.5": 3}),
        (
            ["--api-key", "x", "--model", "m", "--verbose", "--max-tokens", "5"],
            ["--api-key", MASK, "--model", "m", "--verbose", "--max-tokens", "5"],
        ),
        ({"name": "HF_HOME", "value": "/x"}, {"name": "HF_HOME", "value": "/x"}),
    ],
)
def test_other_fields_of_an_object_are_shown_as_in_json(value: Any, expected: Any) -> None:
    assert json.loads(encode_json(redact(value))) == expected


plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "/x", "vllm@m@1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(OTHER_NAMES), inner, max_size=3),
)


@settings(max_examples=examples(100))
@given(plain)
def test_data_without_secrets_is_unchanged(value: Any) -> None:
    assert redact(value) == value


@settings(deadline=None)
@given(st.sampled_from(sorted(CONTAINERS_OF_SECRETS)), st.text())
def test_masking_twice_changes_nothing(kind: str, text: str) -> None:
    once = redact(CONTAINERS_OF_SECRETS[kind](text))
    assert redact(once) == once


APART = {"variable", "tag", "values"}


def test_objects_in_the_configuration_and_in_a_traceback_are_masked() -> None:
    extra = {f"place_{kind.replace(' ', '_')}": make(SECRET) for kind, make in CONTAINERS_OF_SECRETS.items()}
    extra |= {f"{kind.replace(' ', '_')}_password": make(SECRET) for kind, make in ANY_TYPE.items()}
    with make_manager() as manager:
        manager.config.extra_config = extra
        client = create_app(manager).test_client()
        for path in ("/conf", "/conf?details=true", "/conf?names=extra_config"):
            response = client.get(path)
            assert response.status_code == 200
            assert SECRET not in response.text
            assert base64.b64encode(SECRET.encode()).decode()[:-4] not in response.text
    for make in [
        make for kind, make in CONTAINERS_OF_SECRETS.items() if kind not in APART
    ]:  # The texts of these do not connect name and value.
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "x", None, (ValueError, ValueError(make(SECRET)), None))
        redact_trace(record)
        assert SECRET not in str(record.exc_text)
