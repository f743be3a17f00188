"""The embedded engine's configuration: files, environment variables, and error messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal import EmbeddedConfig
from lmcache_internal.engine.embedded.config import DEFINITIONS
from lmcache_internal.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lmcache.yaml"


def read(file: Path, text: str, **environ: str) -> EmbeddedConfig:
    file.write_text(text, encoding="utf-8")
    return EmbeddedConfig.from_file(file, environ)


def test_defaults_are_those_of_the_definitions() -> None:
    defaults = {name: definition.default for name, definition in DEFINITIONS.items()}
    config = EmbeddedConfig()
    assert config.to_dict() == defaults | {"lmcache_instance_id": config.lmcache_instance_id}


def test_every_default_fits_its_own_definition() -> None:
    for name, definition in DEFINITIONS.items():
        assert definition.convert(name, definition.default) == definition.default


def test_each_instance_has_a_unique_name_unless_given() -> None:
    assert EmbeddedConfig().lmcache_instance_id != EmbeddedConfig().lmcache_instance_id
    assert EmbeddedConfig({"lmcache_instance_id": "mine"}).lmcache_instance_id == "mine"


def test_file_values_are_converted(file: Path) -> None:
    config = read(file, 'chunk_size: "512"\nlocal_cpu: no\nlocal_disk: file:///data\nextra_config: {a: [1]}\n')
    assert (config.chunk_size, config.local_cpu, config.local_disk) == (512, False, "/data")
    assert config.extra_config == {"a": [1]}
    assert config.get_extra_config_value("a") == [1]
    assert config.get_extra_config_value("b", 7) == 7


@pytest.mark.parametrize("text", ["", "# nothing here\n", "{}", "---\n"])
def test_empty_file_has_all_defaults(file: Path, text: str) -> None:
    assert read(file, text).chunk_size == 256


@pytest.mark.parametrize("value", ["false", "null", '""', '"file://"', '"false"', '"False "'])
def test_several_values_mean_no_path(file: Path, value: str) -> None:
    assert read(file, f"local_disk: {value}\n").local_disk is None
    assert read(file, "local_disk: /data\n", LMCACHE_LOCAL_DISK="false").local_disk is None


def test_environment_takes_precedence_over_the_file(file: Path) -> None:
    config = read(
        file,
        "chunk_size: 64\nlocal_disk: /data\nmax_local_disk_size: 3\n",
        LMCACHE_CHUNK_SIZE="128",
        LMCACHE_LOCAL_DISK="none",
        LMCACHE_INTERNAL_API_SERVER_INCLUDE_INDEX_LIST="0,2",
        LMCACHE_EXTRA_CONFIG='{"a": 1}',
        lmcache_local_cpu="false",
    )
    assert (config.chunk_size, config.local_disk, config.max_local_disk_size) == (128, None, 3.0)
    assert config.to_dict()["internal_api_server_include_index_list"] == [0, 2]
    assert config.extra_config == {"a": 1}
    assert config.local_cpu


def test_from_env_reads_the_file_that_the_variable_names(file: Path) -> None:
    file.write_text("chunk_size: 64\nlocal_cpu: false\n")
    config = EmbeddedConfig.from_env({"LMCACHE_CONFIG_FILE": str(file), "LMCACHE_CHUNK_SIZE": "32"})
    assert (config.chunk_size, config.local_cpu) == (32, False)


def test_from_env_works_without_a_file() -> None:
    assert EmbeddedConfig.from_env({"LMCACHE_CHUNK_SIZE": "32"}).chunk_size == 32
    assert EmbeddedConfig.from_env({"LMCACHE_CONFIG_FILE": ""}).chunk_size == 256


def test_the_process_environment_is_the_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("chunk_size: 64\n")
    monkeypatch.setenv("LMCACHE_CHUNK_SIZE", "32")
    assert EmbeddedConfig.from_file(file).chunk_size == 32
    assert EmbeddedConfig.from_env().chunk_size == 32
    assert EmbeddedConfig.from_file(file, {}).chunk_size == 64


def test_unknown_keys_are_kept_with_one_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = read(file, "remote_url: redis://u:hunter2@h\nblend: {a: 1}\n", LMCACHE_CHUNK_SIZE="32")
    assert (config.remote_url, config.blend) == ("redis://u:hunter2@h", {"a": 1})  # type: ignore[attr-defined]
    assert list(config.to_dict())[-2:] == ["remote_url", "blend"]
    (record,) = caplog.records
    assert str(file) in record.getMessage()
    assert "remote_url, blend" in record.getMessage()
    assert "hunter2" not in record.getMessage()


def test_known_keys_cause_no_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(file, "chunk_size: 64\n", LMCACHE_LOCAL_CPU="true", LMCACHE_LOG_LEVEL="INFO", HOME="/x")
    assert not caplog.records


@pytest.mark.parametrize("key", ["to_dict", "unknown", "_set", "not-a-name", "1", "__class__"])
def test_invalid_key_names_are_refused(file: Path, key: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a configuration key") as raised:
        read(file, f"{key}: 5\n")
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("chunk_size: 0", "Invalid value for chunk_size: expected at least 1, got 0"),
        ("chunk_size: many", "Invalid value for chunk_size: expected int, got 'many'"),
        ("chunk_size:", "Invalid value for chunk_size: expected int, got None"),
        ("max_local_cpu_size: .nan", "Invalid value for max_local_cpu_size: expected a finite number, got nan"),
        ("max_local_disk_size: -1", "Invalid value for max_local_disk_size: expected at least 0, got -1"),
        ("local_cpu: maybe", "Invalid value for local_cpu: expected bool, got 'maybe'"),
    ],
)
def test_error_of_a_file_value_has_key_value_expectation_and_file(file: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(file, text)
    assert str(raised.value) == f"{reason} ({file})"


def test_error_of_a_variable_has_its_name(file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(file, "chunk_size: 64", LMCACHE_CHUNK_SIZE="64k")
    assert (
        str(raised.value)
        == "Invalid value for chunk_size: expected int, got '64k' (environment variable LMCACHE_CHUNK_SIZE)"
    )


def test_error_of_an_argument_has_its_source() -> None:
    with pytest.raises(ConfigError, match=r"chunk_size: expected int, got 'x' \(arguments\)"):
        EmbeddedConfig({"chunk_size": "x"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"- a\n- b\n", "must contain `key: value` pairs, not a list"),
        (b"just text", "must contain `key: value` pairs, not a str"),
        (b"a: [1\n", "is not valid YAML"),
        (b"a: \x00", "is not valid YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        (b"a: caf\xe9\n", "is not valid YAML: 'utf-8' codec can't decode"),
    ],
)
def test_file_without_a_mapping_is_an_error(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        EmbeddedConfig.from_file(file, {})
    assert str(raised.value).startswith(f"{file} {reason}")


def test_unreadable_file_is_an_error(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration file .*lmcache\.yaml: No such file"):
        EmbeddedConfig.from_env({"LMCACHE_CONFIG_FILE": str(file)})
    with pytest.raises(ConfigError, match="Is a directory"):
        EmbeddedConfig.from_file(tmp_path, {})


@pytest.mark.parametrize(
    ("variable", "value", "warning"),
    [
        ("LMCACHE_CHUNK_SIZ", "s3cret", "unknown and ignored; did you mean LMCACHE_CHUNK_SIZE?"),
        ("LMCACHE_INTERNAL_API_SERVER_TOKN", "s3cret", "did you mean LMCACHE_INTERNAL_API_SERVER_TOKEN?"),
        ("LMCACHE_UNHEARD_OF", "s3cret", "The variable LMCACHE_UNHEARD_OF is unknown and ignored"),
        ("LMCACHE_LOCAL_DISK", "", "The variable LMCACHE_LOCAL_DISK is empty and ignored"),
        ("LMCACHE_CHUNK_SIZE", " ", "The variable LMCACHE_CHUNK_SIZE is empty and ignored"),
        ("LMCACHE_CHUNK_SIZE", "32", "chunk_size is set in the configuration file and by LMCACHE_CHUNK_SIZE"),
    ],
)
def test_ineffective_variables_cause_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture, variable: str, value: str, warning: str
) -> None:
    config = read(file, "chunk_size: 64\nlocal_disk: /data\n", **{variable: value})
    (record,) = caplog.records
    assert warning in record.getMessage()
    assert "s3cret" not in record.getMessage()
    assert (config.chunk_size, config.local_disk) == (32 if value == "32" else 64, "/data")


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("chunk_size: 1\nchunk_size: 2\n", ["the key 'chunk_size' is given twice; the value in line 2 is used"]),
        ("extra_config:\n  a: [{b: 1, 'b': 2}]\n", ["the key 'b' is given twice; the value in line 2 is used"]),
        ("extra_config: {1: a, '1': b, 1.0: c}\n", []),
        ("extra_config:\n  x: &x {a: 1}\n  y: {<<: *x, a: 2}\n", []),
    ],
)
def test_duplicate_keys_cause_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture, text: str, warned: list[str]
) -> None:
    read(file, text)
    assert [record.getMessage().removeprefix(f"{file}: ") for record in caplog.records] == warned


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_files_in_unicode_encodings_are_read(file: Path, encoding: str) -> None:
    file.write_bytes("extra_config: {a: Grüße}\n".encode(encoding))
    assert EmbeddedConfig.from_file(file, {}).extra_config == {"a": "Grüße"}


def test_a_file_with_too_deep_nesting_is_an_error(file: Path) -> None:
    for depth in (101, 5000):
        with pytest.raises(ConfigError):
            # Without the line breaks, PyYAML takes a second.
            read(file, "extra_config: {a: " + "[\n" * depth + "]" * depth + "}")


def test_paths_are_expanded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("WHERE", "/mnt")
    assert read(file, "local_disk: ~/kv\n").local_disk == "/home/me/kv"
    assert read(file, "local_disk: file://$WHERE/kv\n").local_disk == "/mnt/kv"
    assert read(file, "", LMCACHE_LOCAL_DISK="${WHERE}/kv").local_disk == "/mnt/kv"
    with pytest.raises(ConfigError, match=r"local_disk: the variable NO_SUCH in '/\$NO_SUCH/kv' is not set"):
        read(file, "local_disk: /$NO_SUCH/kv\n")


def test_sizes_have_units(file: Path) -> None:
    config = read(file, "max_local_cpu_size: 1GiB\n", LMCACHE_MAX_LOCAL_DISK_SIZE="2TiB")
    assert (config.max_local_cpu_size, config.max_local_disk_size) == (1, 2048)
