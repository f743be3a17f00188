"""lmcache_internal.wsgi.create_app serves the configured engine, or reports why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import EmbeddedManager
from lmcache_internal.app import InternalApp
from lmcache_internal.errors import ConfigError
from lmcache_internal.security.caller import DIRECT_KEY
from lmcache_internal.wsgi import VARIABLE, create_app
from tests.wsgi.servers import config_file


@pytest.fixture(autouse=True)
def only_these_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("LMCACHE_CONFIG_FILE", raising=False)
    monkeypatch.setenv("LMCACHE_CHUNK_SIZE", "16")


@pytest.fixture
def app() -> Iterator[InternalApp]:
    made = create_app()
    yield made
    made.state.lmcache_adapter.close()


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LMCACHE_CONFIG_FILE", config_file(tmp_path, min_retrieve_tokens=7))


def test_default_is_a_worker_of_the_embedded_engine(app: InternalApp) -> None:
    manager = app.state.lmcache_adapter
    assert isinstance(manager, EmbeddedManager)
    assert (manager.lmcache_engine_metadata.role, manager.config.chunk_size) == ("worker", 16)
    assert app.test_client().get("/readyz").text == "ok"


@pytest.mark.usefixtures("configured")
def test_configuration_comes_from_the_file_and_the_variables(app: InternalApp) -> None:
    client = app.test_client()
    assert client.get("/conf?names=min_retrieve_tokens").get_json(force=True) == {"min_retrieve_tokens": 7}


def test_without_tokens_only_public_routes_are_served(app: InternalApp) -> None:
    client = app.test_client()
    del client.environ_base[DIRECT_KEY]  # Another WSGI server does not set it.
    assert client.get("/metrics").status_code == 200
    assert client.get("/conf").status_code == 401


def test_adapter_can_be_any_callable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "tests.wsgi.factories:make")
    app = create_app()
    assert app.test_client().get("/meta?names=model_name").get_json(force=True) == {"model_name": "test-model"}
    app.state.lmcache_adapter.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:make", "it cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("tests.wsgi.broken:make", "it cannot be imported: RuntimeError: no GPU here"),
        ("tests.wsgi.factories:mkae", "it cannot be imported: AttributeError: module 'tests.wsgi.factories' has no"),
        ("two words", "it cannot be imported: ValueError"),
        ("tests.wsgi.factories", "a module cannot be called"),
        ("tests.wsgi.factories:NOT_CALLABLE", "a dict cannot be called"),
        ("tests.wsgi.factories:make_of", "calling it raised TypeError: make_of() missing 1 required"),
        ("tests.wsgi.factories:make_nothing", "the NoneType that it returned has no config, lmcache_engine, "),
        ("tests.wsgi.factories:make_an_engine", "the EmbeddedEngine that it returned has no lmcache_engine, "),
    ],
)
def test_unusable_adapter_is_a_config_error(monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(ConfigError) as caught:
        create_app()
    message = str(caught.value)
    assert message.startswith(f"LMCACHE_INTERNAL_ADAPTER={name!r} is invalid: {why}")
    assert "to module:callable, a function without arguments" in message


def test_unusable_configuration_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_CONFIG_FILE", "/no/such/file")
    with pytest.raises(ConfigError, match="Cannot read the configuration file /no/such/file"):
        create_app()
