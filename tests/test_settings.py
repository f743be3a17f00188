"""Settings can be read from any object, and may change while the server runs."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lmcache_internal import create_app
from lmcache_internal.errors import ConfigError
from lmcache_internal.settings import Settings
from lmcache_internal.settings.guarded import guarded_reason, not_mutable
from tests.support import make_manager


class Anything:
    """An object that has every attribute, such as a mock. None of them is a valid setting."""

    def __getattr__(self, name: str) -> Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_: Any, **__: Any) -> Anything:
        return Anything()

    def __bool__(self) -> bool:
        return True


@pytest.mark.parametrize("config", [None, object(), SimpleNamespace(), Anything(), SimpleNamespace(extra_config=None)])
def test_objects_without_settings_have_the_defaults(config: Any) -> None:
    assert Settings.of(config) == Settings()


def test_set_attributes_are_used_and_the_others_have_defaults() -> None:
    class Mixed(Anything):
        internal_api_server_port_start = 7000
        internal_api_server_socket_path_prefix = Path("/run/x")
        internal_api_server_include_index_list = (0, 2)
        extra_config = {"internal_api_server_max_access": "viewer", "internal_api_server_tokens_file": None}  # noqa: RUF012

    found = Settings.of(Mixed())
    assert (found.port_start, found.socket_path_prefix, found.include_indices) == (7000, "/run/x", (0, 2))
    assert (str(found.max_access), found.tokens_file, found.enabled) == ("viewer", None, False)


UNUSABLE: dict[str, list[Any]] = {
    "enabled": ["false", 1, [True]],
    "host": [7, ["0.0.0.0"]],
    "port_start": ["7000", 7000.0, True, [7000]],
    "include_index_list": ["0,1", 1, ["0"], [0.5], [True]],
    "socket_path_prefix": [5, ["/run/x"]],
}
UNUSABLE_EXTRA: dict[str, list[Any]] = {
    "plugin_dirs": [5, {"a": 1}],
    "tokens_file": [5, ["tokens.yaml"]],
    "max_access": ["king", 3],
    "allowed_hosts": [5],
    "trust_loopback": ["true", 1],
    "audit_file": [5],
    "public_host": [5],
    "public_port_start": ["8000", True],
    "script_timeout": ["soon", 0, -1, float("inf"), float("nan"), True],
    "call_timeout": ["soon", 0],
    "keep_gil": ["no", 0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in UNUSABLE for value in UNUSABLE[name]])
def test_invalid_setting_is_a_config_error(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"internal_api_server_{name}: expected "):
        create_app(SimpleNamespace(config=SimpleNamespace(**{f"internal_api_server_{name}": value})))


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in UNUSABLE_EXTRA for value in UNUSABLE_EXTRA[name]]
)
def test_invalid_setting_in_extra_config_is_a_config_error(name: str, value: Any) -> None:
    config = SimpleNamespace(extra_config={f"internal_api_server_{name}": value})
    with pytest.raises(ConfigError, match=rf"extra_config\.internal_api_server_{name}: "):
        create_app(SimpleNamespace(config=config))


@pytest.mark.parametrize("extra", ["max_access: viewer", 5, ["max_access"], True])
def test_extra_config_that_is_not_a_mapping_is_a_config_error(extra: Any) -> None:
    # If it were ignored, settings that restrict the server would be lost. The message must not quote secrets in it.
    expected = f"^extra_config: expected a mapping of names to values, got a {type(extra).__name__}$"
    with pytest.raises(ConfigError, match=expected):
        create_app(SimpleNamespace(config=SimpleNamespace(extra_config=extra)))


@pytest.mark.parametrize(
    "extra", [5, {"internal_api_server_call_timeout": "soon"}, {"internal_api_server_max_access": 1}]
)
def test_setting_that_becomes_invalid_stays_unchanged(extra: Any, caplog: pytest.LogCaptureFixture) -> None:
    with make_manager(extra_config={"internal_api_server_call_timeout": 7}) as manager:
        app = create_app(manager)
        client = app.test_client()
        assert app.settings.call_timeout == 7
        object.__setattr__(manager.config, "extra_config", extra)
        for path in ("/backends", "/freeze/status", "/sd/prometheus"):
            assert client.get(path).status_code == 200
        assert client.put("/freeze/enable").status_code == 200
        assert app.settings.call_timeout == 7
        object.__setattr__(manager.config, "extra_config", {"internal_api_server_call_timeout": 9})
        assert app.settings.call_timeout == 9
    warnings = [record for record in caplog.records if "stay unchanged" in record.getMessage()]
    assert [record.levelno for record in warnings] == [logging.WARNING]


def test_manager_with_every_attribute_is_served() -> None:
    app = create_app(Anything())
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            response = client.get(rule.rule)
            assert "internal_api_server_" not in response.text or response.status_code == 200, rule.rule
    # The attributes of such an object enable nothing, and do not make it a runtime.
    response = client.get("/lmc_version")
    assert (response.status_code, "has no `runtime`" in response.text) == (503, True)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"internal_api_server_a": 1, "internal_api_server_b": 2, "x": 9}, None),
        ({"internal_api_server_a": 1, "internal_api_server_b": 3}, ["b"]),
        ({"internal_api_server_a": 1}, ["b"]),
        ({"internal_api_server_a": 1, "internal_api_server_b": 2, "internal_api_server_c": 3}, ["c"]),
        ({"internal_api_server_c": 3}, ["a", "b", "c"]),
        (None, ["a", "b"]),
        ("no mapping", ["a", "b"]),
    ],
)
def test_refusal_names_the_settings_that_would_change(value: Any, named: list[str] | None) -> None:
    config = SimpleNamespace(extra_config={"internal_api_server_b": 2, "internal_api_server_a": 1, "x": 0})
    reason = guarded_reason("extra_config", value, config)
    if named is None:
        assert reason is None
    else:
        assert reason is not None
        names = ", ".join(f"internal_api_server_{name}" for name in named)
        assert reason == not_mutable(f": {names} in extra_config")


def test_a_refusal_names_at_most_ten_settings() -> None:
    value = {f"internal_api_server_{number:02}": 1 for number in range(20)}
    reason = guarded_reason("extra_config", value, SimpleNamespace(extra_config={}))
    assert reason == not_mutable(f": {', '.join(sorted(value)[:10])} in extra_config")


@pytest.mark.parametrize("before", [{}, {"a": 1}])
def test_a_guarded_key_that_is_set_to_null_is_named(before: dict[str, object]) -> None:
    reason = guarded_reason(
        "extra_config", {"internal_api_server_tokens_file": None}, SimpleNamespace(extra_config=before)
    )
    assert reason is not None
    assert "internal_api_server_tokens_file in extra_config" in reason
