"""What every test may ask for: the library's own fixtures, under short names."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from importlib.util import find_spec

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from lmcache_internal import EmbeddedManager, InternalAPIServer
from lmcache_internal.app import InternalApp
from lmcache_internal.plugins import sources
from tests.support import make_manager

# They have targets of their own: `make test-faults`, `make test-programs`, `make test-docs`; `make test-lmcache` where
# LMCache is installed.
collect_ignore = ["faults", "docs/test_documents.py"]
# The slow ones, part of `make test-faults`: bounds of time, and properties of every route.
collect_ignore += ["test_bad_input.py", "test_linear_time.py", "security/test_secrets.py", "serving/test_bytewise.py"]
collect_ignore += [
    "serving/test_connection_timeouts.py",
    "serving/test_cpu_budget.py",
    "serving/test_not_http.py",
    "serving/test_pipelining.py",
]
collect_ignore += ["blueprints/test_run_script_limit.py", "blueprints/test_mp_faults.py", "test_fuzz.py"]
# What starts other programs: vLLM, fleets of the command line, WSGI servers, pytest, Prometheus, browsers.
collect_ignore += ["vllm", "cli", "wsgi", "test_testing.py", "test_prometheus.py", "test_page_plugin.py"]
collect_ignore += ["security/test_chromium.py", "blueprints/test_docs_api.py"]
collect_ignore += ["docs/test_reader.py", "docs/test_session.py", "test_walkthrough.py"]
collect_ignore += [f"integrations/test_{name}.py" for name in ("lmcache", "lmcache_logging", "mp_fallback")]
collect_ignore += ["observability", "release", "website", "deploy", "ui"]
_find_entry_points = sources._entry_points


@functools.cache
def _entry_points_on(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(_find_entry_points())


# Each test has its own app. The metadata of all installed packages would be read again for each.
sources._entry_points = lambda: _entry_points_on(tuple(sys.path))


# On a busy machine, an example or the generation of one may take seconds.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# Collect garbage less often: most tests create an app, and free it with its engine.
gc.set_threshold(5000, 10, 10)
_files_run: set[str] = set()


def pytest_runtest_logstart(nodeid: str) -> None:
    """Exempt what exists before the first test of a file from garbage collection, which then takes little time.

    Without it, the modules and pytest's reports are traversed by each collection, and many tests start one themselves.
    """
    file = nodeid.partition("::")[0]
    if file not in _files_run:
        _files_run.add(file)
        gc.collect()
        gc.freeze()


if not find_spec("lmcache"):
    collect_ignore += ["lmcache", "conformance/test_conformance.py"]


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    with make_manager() as made:
        yield made


@pytest.fixture
def scheduler() -> Iterator[EmbeddedManager]:
    with make_manager(role="scheduler") as made:
        yield made


@pytest.fixture
def internal_api_engine(manager: EmbeddedManager) -> EmbeddedManager:
    """What the library's fixtures serve: the `manager` of the test's own file, where it has one."""
    return manager


@pytest.fixture
def app(internal_api_app: InternalApp) -> InternalApp:
    return internal_api_app


@pytest.fixture
def client(app: InternalApp) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def server(internal_api_server: InternalAPIServer) -> InternalAPIServer:
    return internal_api_server
