"""LMCache creates this server instead of its own, and the engine works if that fails."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal.engine.lmcache_names import load, module_of
from lmcache_internal.integrations import lmcache as integration
from lmcache_internal.integrations.drop_in import DropInServer
from lmcache_internal.testing.real_engine import make_worker
from tests.support import ROOT, accepts, eventually, free_port

HOME = module_of("InternalAPIServer")
Original = load("InternalAPIServer")


def bound_class(module: str) -> Any:
    return importlib.import_module(module).InternalAPIServer


def binding_modules() -> list[str]:
    load("StandaloneLMCacheManager")  # Its module binds the class, or imports the factory that does.
    return [
        name
        for name, module in sys.modules.items()
        if name.startswith("lmcache.") and "InternalAPIServer" in vars(module)
    ]


def is_ours(class_: type) -> bool:
    return issubclass(class_, DropInServer)


@pytest.fixture
def installed() -> Iterator[None]:
    integration.install()
    yield
    integration.uninstall()


def fetch(port: int, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        text: str = response.read().decode()
        return text


def test_install_replaces_the_class_in_all_modules_and_uninstall_restores_it() -> None:
    modules = binding_modules()
    assert HOME in modules
    assert len(modules) >= 2
    integration.install()
    integration.install()
    (ours,) = {bound_class(module) for module in modules}
    assert is_ours(ours)
    integration.uninstall()
    integration.uninstall()
    assert {bound_class(module) for module in modules} == {Original}


@pytest.mark.usefixtures("installed")
def test_a_manager_uses_this_server() -> None:
    start = free_port() - 1
    manager = make_worker("drop-in", internal_api_server_enabled=True, internal_api_server_port_start=start)
    try:
        assert isinstance(manager.api_server, DropInServer)
        assert manager.api_server.port == start + 1
        assert "/run_script" in fetch(start + 1, "/")
        assert manager.lmcache_engine.is_healthy()
    finally:
        manager.stop_services()
    with pytest.raises(OSError, match="refused"):
        fetch(start + 1, "/")


@pytest.mark.usefixtures("installed")
def test_a_disabled_server_stays_disabled() -> None:
    manager = make_worker("disabled")
    try:
        assert not manager.api_server.enable
    finally:
        manager.stop_services()


@pytest.mark.usefixtures("installed")
def test_a_port_in_use_does_not_affect_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        manager = make_worker("taken", internal_api_server_enabled=True, internal_api_server_port_start=port - 1)
        try:
            assert manager.is_healthy()
            assert manager.lmcache_engine.storage_manager is not None
        finally:
            manager.stop_services()
    logged = [record for record in caplog.records if f"Port {port} on 127.0.0.1 is in use" in record.getMessage()]
    assert [record.levelno for record in logged] == [logging.ERROR]


@pytest.mark.usefixtures("installed")
def test_a_server_that_cannot_be_created_does_not_affect_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    broken = {"internal_api_server_script_timeout": "soon"}
    manager = make_worker("broken", internal_api_server_enabled=True, extra_config=broken)
    try:
        assert manager.is_healthy()
        assert manager.lmcache_engine.storage_manager is not None
        assert not manager.api_server.enable
    finally:
        manager.stop_services()
    assert len([record for record in caplog.records if "cannot be created" in record.getMessage()]) == 1


@pytest.mark.parametrize(
    ("value", "ours"), [(None, False), ("lmcache", False), ("lmcache_internal", True), ("lmcache_internal?", True)]
)
def test_vllm_plugin_installs_only_if_the_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str | None, ours: bool
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.delenv(integration.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(integration.VARIABLE, value)
    try:
        integration.vllm_plugin()
        assert is_ours(bound_class(HOME)) is ours
    finally:
        integration.uninstall()
    logged = [record for record in caplog.records if "is replaced by lmcache_internal" in record.getMessage()]
    assert len(logged) == ours


FRESH = """
import sys
from lmcache_internal.integrations.lmcache import vllm_plugin
vllm_plugin()
assert not {"lmcache", "numba", "torch", "fastapi", "flask"} & sys.modules.keys(), "the plugin imports"
from importlib import import_module
from lmcache_internal.engine.lmcache_names import module_of
try:
    factory = module_of("VllmServiceFactory")
except ImportError:
    factory = module_of("LMCacheManager")  # Before LMCache 0.4, the manager creates its server.
from lmcache_internal.integrations.drop_in import DropInServer
assert issubclass(import_module(factory).InternalAPIServer, DropInServer)
"""


def test_plugin_imports_nothing_and_the_service_factory_uses_this_server() -> None:
    environ = os.environ | {"LMCACHE_INTERNAL_API_SERVER": "lmcache_internal", "LMCACHE_TRACK_USAGE": "false"}
    done = subprocess.run(
        [sys.executable, "-c", FRESH], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is replaced by lmcache_internal") == 1


def test_standalone_engine_with_this_server(tmp_path: Path) -> None:
    start = free_port() - 1
    config = tmp_path / "lmcache.yaml"
    config.write_text(
        f"chunk_size: 256\nmax_local_cpu_size: 0.25\ninternal_api_server_enabled: true\n"
        f"internal_api_server_host: 127.0.0.1\ninternal_api_server_port_start: {start}\n"
    )
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "lmcache_internal.integrations.lmcache", "--config", str(config)],
            cwd=ROOT,
            env=os.environ | {"LMCACHE_TRACK_USAGE": "false"},
            stdout=stream,
            stderr=stream,
        )
        try:
            assert eventually(lambda: accepts(start + 1)), log.read_text()
            assert "/run_script" in fetch(start + 1, "/")
            assert json.loads(fetch(start + 1, "/conf"))["max_local_cpu_size"] == 0.25
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()  # LMCache 0.3's engine does not exit on SIGINT, with either server.
                process.wait(10)
