"""Fixtures for hosts: existing Flask apps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from lmcache_internal import EmbeddedManager
from tests.security.support import prefixed
from tests.support import make_manager

PLUGIN = '''
from flask import Blueprint, current_app, request, url_for

from lmcache_internal.api import adapter, operation

router = Blueprint("where", __name__)


@router.get("/where")
@operation(action="return the context")
def where():
    """Return the app, the engine and the URLs that the plugin sees."""
    return {
        "app": type(current_app._get_current_object()).__name__,
        "engine": current_app.state.lmcache_adapter is adapter(),
        "host": current_app.config.get("HOST_NAME"),
        "url": url_for("where.where"),
        "external": url_for("where.where", _external=True),
    }


@router.get("/faulty")
def faulty():
    """Fail."""
    raise LookupError("the error of the plugin")


@router.teardown_request
def count(error):
    current_app.state.teardowns = getattr(current_app.state, "teardowns", 0) + 1
'''


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    """A worker that trusts loopback, which is the address of the host's test client."""
    with make_manager(extra_config=prefixed({"trust_loopback": True})) as made:
        yield made


@pytest.fixture
def plugin_dir(tmp_path: Path) -> Path:
    (tmp_path / "where_api.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def host() -> Flask:
    """An app with its own page, 404 page and error page."""
    app = Flask("host", static_folder=None)
    app.config["HOST_NAME"] = "the host"
    app.add_url_rule("/page", "page", lambda: "the host's page")
    app.register_error_handler(404, lambda _: ("the host's 404", 404))
    app.register_error_handler(Exception, lambda _: ("the host's error", 500))
    return app
