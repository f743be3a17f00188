"""What every test may ask for: the library's own fixtures, under short names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from lmcache_internal import EmbeddedManager, InternalAPIServer
from lmcache_internal.app import InternalApp
from tests.support import make_manager

# They have targets of their own: `make test-faults`, `make test-programs`, `make test-docs`; `make test-lmcache` where
# LMCache is installed.
collect_ignore = ["faults", "docs/test_documents.py"]
# The slow ones, part of `make test-faults`: bounds of time, and properties of every route.
collect_ignore += ["test_bad_input.py", "test_linear_time.py", "security/test_secrets.py", "serving/test_bytewise.py"]
collect_ignore += ["serving/test_cpu_budget.py", "serving/test_not_http.py", "serving/test_pipelining.py"]
collect_ignore += ["blueprints/test_run_script_limit.py"]
# What starts other programs: vLLM, fleets of the command line, WSGI servers, pytest, Prometheus, browsers.
collect_ignore += ["vllm", "cli", "wsgi", "test_testing.py", "test_prometheus.py", "test_page_plugin.py"]
collect_ignore += ["security/test_chromium.py", "blueprints/test_docs_api.py"]
collect_ignore += ["observability", "release", "website", "deploy", "ui"]
_compile_builder = Rule._compile_builder


def _compile_builder_late(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    compiled: list[Callable[..., Any]] = []

    def build(self: Rule, /, **values: Any) -> Any:
        if not compiled:
            compiled.append(_compile_builder(rule, append_unknown))
        return compiled[0](self, **values)

    return build


# Each test has an app of its own, and werkzeug compiles two functions for each of its 60 routes, for `url_for`. That is
# two thirds of the time of `create_app`, and a third of the whole run, so here it is done when the first URL is built.
Rule._compile_builder = _compile_builder_late  # type: ignore[assignment, method-assign]

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
