"""Log levels: GET with `level` and PUT require role operator. PUT can set a level for a limited time."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal.diagnostics.log_levels import set_level
from tests.security.support import app_with, bearer, last_audit, token_file
from tests.support import eventually

_numbers = itertools.count()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger(f"tests.levels.{next(_numbers)}")
    made.addHandler(logging.NullHandler())
    made.setLevel(logging.WARNING)
    made.handlers[0].setLevel(logging.ERROR)
    yield made
    set_level(made.name, logging.NOTSET)
    made.handlers.clear()


def levels(logger: logging.Logger) -> tuple[int, int]:
    return logger.level, logger.handlers[0].level


BEFORE = (logging.WARNING, logging.ERROR)
QUERIES = [
    "level=DEBUG",
    "level=&level=DEBUG",
    "level=DEBUG&level=",
    "%6c%65vel=DEBUG",
    "level=debug",
    "level=+DEBUG",
    "level=BAD",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", QUERIES)
def test_viewer_reads_levels_and_cannot_set_them(
    tmp_path: Path, logger: logging.Logger, method: str, query: str
) -> None:
    path, tokens = token_file(tmp_path, reader="viewer", op="operator")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        url = f"/loglevel?logger_name={logger.name}&{query}"
        assert client.open(url, method=method, headers=bearer(tokens["reader"])).status_code == 403
        assert client.open(url, method=method).status_code == 401
        assert levels(logger) == BEFORE
        for reading in ("/loglevel", f"/loglevel?logger_name={logger.name}", "/loglevel?logger_name=x&level="):
            assert client.get(reading, headers=bearer(tokens["reader"])).status_code == 200


def test_operator_sets_levels_by_get_and_put(tmp_path: Path, logger: logging.Logger) -> None:
    path, tokens = token_file(tmp_path, op="operator", reader="viewer")
    with app_with(tokens_file=str(path)) as app:
        client = app.test_client()
        client.get(f"/loglevel?logger_name={logger.name}&level=DEBUG", headers=bearer(tokens["op"]))
        assert levels(logger) == (logging.DEBUG, logging.DEBUG)
        entry = last_audit(client)
        assert (entry["caller"], entry["logger_name"], entry["old"], entry["new"]) == (
            *("op", logger.name),
            *("WARNING", "DEBUG"),
        )
        client.put(f"/loglevel?logger_name={logger.name}&level=INFO", headers=bearer(tokens["op"]))
        assert levels(logger) == (logging.INFO, logging.INFO)
        url = f"/loglevel?logger_name={logger.name}&level=ERROR"
        assert client.put(url, headers=bearer(tokens["reader"])).status_code == 403
        assert logger.level == logging.INFO


def test_get_without_a_level_changes_nothing(client: FlaskClient, logger: logging.Logger) -> None:
    for query in ("", "&level=", "&level=&level=", "&for=10m", "&Level=DEBUG", "&LEVEL=DEBUG", "&level[]=DEBUG"):
        assert client.get(f"/loglevel?logger_name={logger.name}{query}").text == f"{logger.name}: WARNING"
    client.get(f"/loglevel?logger_name={logger.name}", data={"level": "DEBUG"})
    client.get(f"/loglevel?logger_name={logger.name}", json={"level": "DEBUG"}, headers={"level": "DEBUG"})
    assert levels(logger) == BEFORE


def test_put_returns_the_old_and_the_new_level(client: FlaskClient, logger: logging.Logger) -> None:
    assert client.put(f"/loglevel?logger_name={logger.name}&level=debug").get_json() == {
        "logger_name": logger.name,
        "level": "DEBUG",
        "effective": "DEBUG",
        "before": "WARNING",
        "restored_after_seconds": None,
    }


def test_put_without_a_level_resets_to_the_inherited_level(client: FlaskClient, logger: logging.Logger) -> None:
    body = client.put(f"/loglevel?logger_name={logger.name}").get_json()
    assert (body["level"], body["effective"]) == ("NOTSET", logging.getLevelName(logging.root.level))
    assert logger.level == logging.NOTSET


def test_level_is_restored_after_its_duration(
    client: FlaskClient, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = threading.Event()

    class Timer(threading.Timer):
        def run(self) -> None:
            elapsed.wait(30)
            self.interval = 0.0
            super().run()

    monkeypatch.setattr(threading, "Timer", Timer)
    body = client.put(f"/loglevel?logger_name={logger.name}&level=DEBUG&for=1s").get_json()
    assert body["restored_after_seconds"] == 1
    (timer,) = restoring(logger)
    assert isinstance(timer, Timer)
    assert timer.interval == 1
    assert levels(logger) == (logging.DEBUG, logging.DEBUG)
    elapsed.set()
    assert eventually(lambda: levels(logger) == BEFORE)


def test_level_before_the_first_duration_is_restored(logger: logging.Logger) -> None:
    set_level(logger.name, logging.DEBUG, 60)
    assert set_level(logger.name, logging.INFO, 60) == logging.DEBUG
    set_level(logger.name, logging.CRITICAL, 0.05)
    assert eventually(lambda: levels(logger) == BEFORE)


def test_level_without_a_duration_is_not_restored(logger: logging.Logger) -> None:
    set_level(logger.name, logging.DEBUG, 0.05)
    set_level(logger.name, logging.CRITICAL)
    assert eventually(lambda: not restoring(logger))
    assert levels(logger) == (logging.CRITICAL, logging.CRITICAL)


def test_one_daemon_thread_restores_a_level(logger: logging.Logger) -> None:
    for _ in range(20):
        set_level(logger.name, logging.DEBUG, 3600)
    assert eventually(lambda: len(restoring(logger)) == 1)
    assert restoring(logger)[0].daemon
    set_level(logger.name, logging.DEBUG)
    assert eventually(lambda: not restoring(logger))


def restoring(logger: logging.Logger) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"restore-loglevel:{logger.name}"]


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("30s", 30), ("10m", 600), ("2h", 7200), ("168h", 604800)])
def test_durations(client: FlaskClient, logger: logging.Logger, text: str, seconds: int) -> None:
    body = client.put(f"/loglevel?logger_name={logger.name}&level=DEBUG&for={text}").get_json()
    assert body["restored_after_seconds"] == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0s", "0m", "-1", "-5m", "1.5h", "1e9", "169h", "8d", "m", "x", "99999999999999h", "inf", "nan"),
        *("%20", "10%20m", "%D9%A3m", "%D9%A3", "+5m", "1_0m", "", "10m&for=0"),
    ],
)
def test_invalid_duration_changes_nothing(client: FlaskClient, logger: logging.Logger, text: str) -> None:
    response = client.put(f"/loglevel?logger_name={logger.name}&level=DEBUG&for={text}")
    assert response.status_code == 400
    assert levels(logger) == BEFORE
    assert not restoring(logger)


@pytest.mark.parametrize("query", ["", "?level=DEBUG", "?logger_name=&level=DEBUG", f"?logger_name={'x' * 300}"])
def test_put_requires_a_logger(client: FlaskClient, query: str) -> None:
    before = logging.root.level
    assert client.put(f"/loglevel{query}").status_code == 400
    assert logging.root.level == before


@pytest.mark.parametrize("level", ["BAD", "10", "BASIC_FORMAT", "Level 10", "%00"])
def test_invalid_level_changes_nothing(client: FlaskClient, logger: logging.Logger, level: str) -> None:
    assert client.put(f"/loglevel?logger_name={logger.name}&level={level}&for=1s").status_code == 400
    assert levels(logger) == BEFORE
    assert not restoring(logger)


def test_last_of_repeated_levels_is_used(client: FlaskClient, logger: logging.Logger) -> None:
    client.put(f"/loglevel?logger_name={logger.name}&level=DEBUG&level=ERROR")
    assert logger.level == logging.ERROR


def test_reset_of_the_root_logger_sets_warning(client: FlaskClient) -> None:
    before = logging.root.level
    try:
        assert client.put("/loglevel?logger_name=root").get_json()["level"] == "WARNING"
        assert logging.root.level == logging.WARNING
    finally:
        logging.root.setLevel(before)
