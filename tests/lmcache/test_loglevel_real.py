"""`loglevel` against LMCache's own server, which has no PUT and no dry run."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from lmcache_internal.engine.lmcache_names import module_of
from tests.support import eventually, free_port

LOGGER = "tests.lmcache.loglevel"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """LMCache's own server, without an engine: log levels need none."""
    import uvicorn

    app = importlib.import_module(module_of("InternalAPIServer")).app
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert eventually(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def set_level(url: str, *given: str) -> Result:
    return CliRunner().invoke(main, ["loglevel", LOGGER, *given, "--url", url], env={"LMCACHE_CONFIG_FILE": None})


def test_a_level_is_set_and_reset(url: str) -> None:
    assert set_level(url, "debug").exit_code == 0
    assert logging.getLogger(LOGGER).level == logging.DEBUG
    assert set_level(url, "--reset").exit_code == 0
    assert logging.getLogger(LOGGER).level == logging.NOTSET


@pytest.mark.parametrize("given", [["LOUD"], ["DEBUG", "--for", "10m"]])
def test_what_it_cannot_do_changes_nothing(url: str, given: list[str]) -> None:
    result = set_level(url, *given)
    assert (result.exit_code, "Nothing was set." in result.stderr) == (1, True)
    assert logging.getLogger(LOGGER).level == logging.NOTSET
