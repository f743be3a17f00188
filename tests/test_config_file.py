"""The engine's YAML file: what is read, which repeated keys are reported, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal.errors import ConfigError
from lmcache_internal.settings.config_file import read_config_file


@pytest.mark.parametrize(
    ("text", "values", "repeated"),
    [
        ("", {}, []),
        ("chunk_size: 16\nlocal_cpu: true\n", {"chunk_size": 16, "local_cpu": True}, []),
        ("a: 1\nb: 2\na: 3\n", {"a": 3, "b": 2}, [("a", 3)]),
        ("a: 1\na: 2\na: 3\n", {"a": 3}, [("a", 2), ("a", 3)]),
        ("extra_config:\n  x: 1\n  x: 2\n", {"extra_config": {"x": 2}}, [("x", 3)]),
        ("a:\n  x: 1\nb:\n  x: 2\n", {"a": {"x": 1}, "b": {"x": 2}}, []),
        ("1: a\n'1': b\n", {"1": "b"}, []),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  a: 2\n", {"x": {"a": 1}, "y": {"a": 2}}, []),
    ],
)
def test_values_are_read_and_repeated_keys_are_reported_with_their_lines(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    text: str,
    values: dict[str, object],
    repeated: list[tuple[str, int]],
) -> None:
    path = tmp_path / "lmcache.yaml"
    path.write_text(text)
    assert read_config_file(path) == values
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: the key {key!r} is given twice; the value in line {line} is used" for key, line in repeated
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n- b\n", "must contain `key: value` pairs, not a list"),
        (b"words", "must contain `key: value` pairs, not a str"),
        (b"a: [1\n", "is not valid YAML: "),
        (b"a: \xff\xfe\n", "is not valid YAML: "),
        (b"[\n" * 5000, "is not valid YAML: "),
        (b"a: !!python/object/apply:os.system [exit]\n", "is not valid YAML: "),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lmcache.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    assert str(caught.value).startswith(f"{path} {message}")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration file .*: No such file or directory"):
        read_config_file(tmp_path / "lmcache.yaml")
