"""`loglevel`: listed, shown and set in every process of a fleet (here they are one)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from click.testing import Result

from tests.cli.conftest import Fleet
from tests.support import eventually

PARENT, CHILD = "tests.cli.loud", "tests.cli.loud.child"


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    logging.getLogger(PARENT).setLevel("ERROR")
    logging.getLogger(CHILD)
    yield shared_fleet
    for name in (PARENT, CHILD):
        logging.getLogger(name).setLevel(logging.NOTSET)


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()[1:]]


def test_it_lists_the_loggers_that_have_a_level(fleet: Fleet) -> None:
    result = fleet.run("loglevel")
    assert result.exit_code == 0
    assert [PARENT, "ERROR", "all"] in rows(result)
    assert ["root", logging.getLevelName(logging.getLogger().level), "all"] in rows(result)
    assert CHILD not in result.stdout
    assert "loggers have no level of their own" in result.stderr
    assert fleet.json("loglevel")[0]["data"][CHILD] == "NOTSET"


@pytest.mark.parametrize(
    ("logger", "level", "effective"),
    [(PARENT, "ERROR", "ERROR"), (CHILD, "NOTSET", "ERROR"), (f"{CHILD}.unborn", "NOTSET", "ERROR")],
)
def test_it_shows_one_and_what_counts(fleet: Fleet, logger: str, level: str, effective: str) -> None:
    assert [row[4:] for row in rows(fleet.run("loglevel", logger, "--index", "1,3"))] == [[level, effective]] * 2
    assert logging.getLogger().manager.loggerDict.get(f"{CHILD}.unborn") is None


def test_without_any_parent_the_root_counts(fleet: Fleet) -> None:
    root = logging.getLevelName(logging.getLogger().level)
    assert fleet.json("loglevel", "nobody", "--index", "1")[0]["data"] == {"level": "NOTSET", "effective": root}
    assert fleet.json("loglevel", "root", "--index", "1")[0]["data"] == {"level": root, "effective": root}


def test_it_sets_and_resets(fleet: Fleet) -> None:
    assert rows(fleet.run("loglevel", CHILD, "debug", "--index", "1"))[0][4:] == ["DEBUG", "DEBUG", "NOTSET"]
    assert logging.getLogger(CHILD).level == logging.DEBUG
    assert rows(fleet.run("loglevel", CHILD, "--reset", "--index", "2"))[0][4:] == ["NOTSET", "ERROR", "DEBUG"]
    assert logging.getLogger(CHILD).level == logging.NOTSET


def test_for_a_while(fleet: Fleet) -> None:
    result = fleet.run("loglevel", CHILD, "DEBUG", "--for", "1s", "--index", "1")
    assert rows(result)[0][4:] == ["DEBUG", "DEBUG", "NOTSET", "1s"]
    assert logging.getLogger(CHILD).level == logging.DEBUG
    assert eventually(lambda: logging.getLogger(CHILD).level == logging.NOTSET)


def test_reading_needs_no_choice_and_setting_does(fleet: Fleet) -> None:
    assert fleet.run("loglevel", CHILD).exit_code == 0
    for change in (["DEBUG"], ["--reset"]):
        result = fleet.run("loglevel", CHILD, *change)
        assert result.exit_code == 2
        assert "This changes 5 servers." in result.stderr
    assert logging.getLogger(CHILD).level == logging.NOTSET


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reset"], "--reset takes a LOGGER and no LEVEL."),
        ([CHILD, "DEBUG", "--reset"], "--reset takes a LOGGER and no LEVEL."),
        ([CHILD, "--for", "10m"], "--for goes with a LEVEL."),
        (["--for", "10m"], "--for goes with a LEVEL."),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(fleet: Fleet, arguments: list[str], message: str) -> None:
    result = fleet.run("loglevel", *arguments, "--all")
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CHILD, "LOUD"], "Invalid log level: LOUD"),
        ([CHILD, "DEBUG", "--for", "10x"], "expected a duration such as 30s, 10m or 2h, at most 7 days, got '10x'"),
        (["lmcache_internal.audit", "ERROR"], "this could disable the audit log"),
    ],
)
def test_what_a_server_refuses_is_told(fleet: Fleet, arguments: list[str], message: str) -> None:
    result = fleet.run("loglevel", *arguments, "--index", "1")
    assert result.exit_code == 1
    assert message in result.stdout
    assert logging.getLogger(CHILD).level == logging.NOTSET
