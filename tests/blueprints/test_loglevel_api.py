"""GET /loglevel."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("tests.loglevel")
    made.addHandler(logging.NullHandler())
    made.setLevel(logging.WARNING)
    yield made
    made.handlers.clear()
    made.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("logger")
def test_all_loggers_are_listed(client: FlaskClient) -> None:
    response = client.get("/loglevel")
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text.startswith("=== Loggers and Levels ===\n")
    assert "\ntests.loglevel: WARNING\n" in response.text


def test_one_logger_is_shown(client: FlaskClient, logger: logging.Logger) -> None:
    assert client.get(f"/loglevel?logger_name={logger.name}").text == "tests.loglevel: WARNING"


def test_level_is_set_on_the_logger_and_its_handlers(client: FlaskClient, logger: logging.Logger) -> None:
    text = client.get(f"/loglevel?logger_name={logger.name}&level=debug").text
    assert text == "Set tests.loglevel level to DEBUG (including all handlers)"
    assert (logger.level, logger.handlers[0].level) == (logging.DEBUG, logging.DEBUG)


@pytest.mark.parametrize("level", ["FOO", "BASIC_FORMAT", "10", "Level 10", "getLogger"])
def test_invalid_level_changes_nothing(client: FlaskClient, logger: logging.Logger, level: str) -> None:
    response = client.get("/loglevel", query_string={"logger_name": logger.name, "level": level})
    assert (response.status_code, response.text) == (400, f"Invalid log level: {level}")
    assert response.content_type == "text/plain; charset=utf-8"
    assert logger.level == logging.WARNING


def test_json_error_has_common_format(client: FlaskClient) -> None:
    response = client.get("/loglevel?logger_name=x&level=FOO", headers={"Accept": "application/json"})
    assert response.get_json() == {
        "error": "Invalid parameter",
        "message": "Invalid log level: FOO; expected one of CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET",
    }


def test_level_without_logger_gets_400(client: FlaskClient) -> None:
    assert client.get("/loglevel?level=INFO").status_code == 400


def test_reading_unknown_logger_does_not_create_it(client: FlaskClient) -> None:
    assert client.get("/loglevel?logger_name=no.such.logger").text == "no.such.logger: NOTSET"
    assert "no.such.logger" not in logging.Logger.manager.loggerDict


def test_root_can_be_read(client: FlaskClient) -> None:
    assert client.get("/loglevel?logger_name=root").text == f"root: {logging.getLevelName(logging.root.level)}"
