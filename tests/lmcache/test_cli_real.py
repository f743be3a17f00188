"""The command line against the real engine: configuration, caches, switches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.testing.real_engine import make_worker
from tests.support import free_port


@pytest.fixture(scope="module")
def manager() -> Iterator[Any]:
    made = make_worker("cli", internal_api_server_enabled=False, internal_api_server_port_start=free_port() - 1)
    yield made
    made.stop_services()


@pytest.fixture
def config(manager: Any, tmp_path: Path) -> Iterator[Path]:
    """The YAML file of the running engine."""
    path = tmp_path / "lmcache.yaml"
    names = ("chunk_size", "max_local_cpu_size", "lookup_timeout_ms", "internal_api_server_port_start")
    written = {name: getattr(manager.config, name) for name in names}
    path.write_text(yaml.safe_dump({**written, "internal_api_server_include_index_list": "1"}))
    manager.config.internal_api_server_enabled = True
    with InternalAPIServer(manager):
        yield path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


def data(config: Path, *arguments: str) -> Any:
    return json.loads(run(config, *arguments, "--json").stdout)[0]["data"]


def test_the_configuration_is_changed_compared_and_rolled_back(manager: Any, config: Path) -> None:
    before = data(config, "conf", "diff")
    changed = run(config, "conf", "set", "min_retrieve_tokens=5", "remote_url=redis://u:s3cret@h:1", "--yes")
    assert changed.exit_code == 0
    assert manager.config.remote_url == "redis://u:s3cret@h:1"
    assert "s3cret" not in changed.output + run(config, "conf", "get").output + run(config, "conf", "history").output
    drift = data(config, "conf", "diff")
    assert drift.keys() - before.keys() == {"min_retrieve_tokens", "remote_url"}
    assert drift["min_retrieve_tokens"] == {"live": 5, "source": "runtime"}
    assert run(config, "conf", "rollback", "--to", "0", "--yes").exit_code == 0
    assert (manager.config.min_retrieve_tokens, manager.config.remote_url) == (0, None)


def test_a_value_that_lmcache_rejects(manager: Any, config: Path) -> None:
    result = run(config, "conf", "set", "min_retrieve_tokens=5", "remote_url=true", "--yes")
    assert result.exit_code == 1
    assert "remote_url: Invalid value for remote_url: expected str, got True" in result.stderr
    assert manager.config.min_retrieve_tokens == 0


def test_tokens_are_stored_retrieved_frozen_and_cleared(manager: Any, config: Path) -> None:
    complete = 2 * manager.config.chunk_size
    tokens = ["--tokens", f"0:{complete + 1}"]
    assert data(config, "cache", "store", *tokens) == {
        "tokens": complete + 1,
        "stored": complete,
        "reason": "only whole chunks are stored (tokens left over: 1)",
    }
    assert data(config, "cache", "retrieve", *tokens)["retrieved"] == complete
    assert data(config, "cache", "clear", "--yes") == {"removed": complete}
    assert data(config, "freeze", "on") == data(config, "freeze") == {"freeze": True}
    run(config, "cache", "store", *tokens)
    assert data(config, "cache", "retrieve", *tokens)["retrieved"] == 0
    assert data(config, "freeze", "off") == {"freeze": False}


def test_backends_and_switches(config: Path) -> None:
    cpu = "LocalCPUBackend"
    assert data(config, "backends") == {"backends": {cpu: cpu}}
    assert data(config, "bypass", "add", cpu) == {"bypassed": [cpu]}
    assert data(config, "bypass", "remove", cpu) == {"bypassed": []}
    assert data(config, "hot-cache", "off", "--yes") == {"hot_cache": False}
    assert data(config, "hot-cache", "on") == {"hot_cache": True}


def test_an_unreachable_remote_is_reported(config: Path) -> None:
    url = f"lm://127.0.0.1:{free_port()}"
    assert run(config, "conf", "set", f"remote_url={url}", "--yes").exit_code == 0
    created = run(config, "backends", "create")
    assert "RemoteBackend" in created.stdout.splitlines()[1]
    assert f"RemoteBackend: no connection to {url}" in created.stdout
    assert run(config, "backends", "close", "RemoteBackend", "--yes").exit_code == 0
    assert run(config, "conf", "set", "remote_url=null", "--yes").exit_code == 0
