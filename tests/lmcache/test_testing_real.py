"""The pytest plugin's `internal_api_real_engine`: the tests of the embedded engine with the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from lmcache import utils
from werkzeug.test import Client

from tests.support import run_pytest


@pytest.fixture
def internal_api_engine(internal_api_real_engine: Any) -> Any:
    """Override the fixture as a plugin's author does."""
    return internal_api_real_engine


def assert_stores_and_retrieves(client: Client) -> None:
    assert client.get("/lmc_version").get_json() == utils.VERSION
    assert client.post("/cache/store?tokens_mock=0,40").get_json()["num_tokens"] == 40
    assert client.post("/cache/retrieve?tokens_mock=0,40").get_json()["num_retrieved"] == 32


def test_an_app_serves_the_real_engine(internal_api_client: FlaskClient) -> None:
    assert_stores_and_retrieves(internal_api_client)


def test_a_server_serves_the_real_engine(internal_api_server_client: Client) -> None:
    assert_stores_and_retrieves(internal_api_server_client)


@pytest.mark.internal_api(role="scheduler", config={"lookup_timeout_ms": 250})
def test_a_scheduler_has_no_engine_but_a_config(internal_api_client: FlaskClient) -> None:
    assert internal_api_client.get("/freeze/status").status_code == 503
    assert "250" in internal_api_client.get("/conf?names=lookup_timeout_ms").text


USELESS = """
import pytest

@pytest.mark.internal_api(config={"local_disk": "/proc/nowhere", "max_local_disk_size": 1})
def test_given_up(internal_api_real_engine): pass

@pytest.mark.internal_api(config={"extra_config": 5})
def test_raised(internal_api_real_engine): pass
"""


def test_an_engine_that_cannot_be_created_skips_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USELESS)
    run = run_pytest(tmp_path, "-rs")
    assert "2 skipped" in run.stdout, run.stdout + run.stderr
    assert "LMCache's engine is not healthy; see its log" in run.stdout
    assert "LMCache cannot create an engine: TypeError: " in run.stdout
