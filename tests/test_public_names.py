"""What `import lmcache_internal` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lmcache_internal
from tests.support import ROOT, free_port


def test_every_public_name_is_there() -> None:
    for name in lmcache_internal.__all__:
        assert getattr(lmcache_internal, name, None) is not None, name
    with pytest.raises(AttributeError, match=r"module 'lmcache_internal' has no attribute 'creat_app'"):
        lmcache_internal.creat_app  # type: ignore[attr-defined]  # noqa: B018  # A type checker must see it, too.


def test_importing_it_imports_nothing_heavy() -> None:
    program = """
import sys, lmcache_internal
assert set(lmcache_internal.__all__) <= set(dir(lmcache_internal))
assert not {"flask", "waitress", "lmcache", "torch"} & sys.modules.keys()
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_serving_imports_neither_lmcache_nor_torch() -> None:
    program = "import sys; from lmcache_internal import *; sys.exit(bool({'lmcache', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_a_start_imports_nothing_that_only_tests_or_documents_need() -> None:
    program = """
import sys, urllib.request
from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer
port = int(sys.argv[1])
values = {"internal_api_server_enabled": True, "internal_api_server_port_start": port}
manager = EmbeddedManager(EmbeddedConfig(values), EmbeddedMetadata("model", (2, 2, 256, 2, 4), role="scheduler"))
with InternalAPIServer(manager):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(f"http://127.0.0.1:{port}/lmc_version").status == 200
    print(*sys.modules)
"""
    command = [sys.executable, "-c", program, str(free_port())]
    loaded = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert "flask" in loaded
    assert not {"apispec", "click.testing", "flask.testing", "flask_swagger_ui", "httpx", "pdb", "pytest"} & {*loaded}
