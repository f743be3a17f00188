"""`loglevel`: listed, shown and set in every process of a fleet (here they are one)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from tests.cli.conftest import Fleet
from tests.cli.log_servers import LogServer, log_server
from tests.http_server import Reply, responding
from tests.support import eventually

NO_CONFIG = {"LMCACHE_CONFIG_FILE": None, "COLUMNS": "10000", "LMCACHE_INTERNAL_TOKEN": None}
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
    # The command prints what the server has set; a second later, it is reset.
    assert rows(result)[0][4:] == ["DEBUG", "DEBUG", "NOTSET", "1s"]
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
    assert message in result.stderr
    assert "Nothing was set." in result.stderr
    assert logging.getLogger(CHILD).level == logging.NOTSET


def test_a_misspelled_logger_is_told_once_and_set(fleet: Fleet) -> None:
    logging.getLogger("spelled.right.name")
    try:
        result = fleet.run("loglevel", "spelled.right.nane", "DEBUG", "--all")
        assert result.exit_code == 0
        told = "No logger of this name has been used; did you mean spelled.right.name?\n"
        assert result.stderr == told
    finally:
        logging.Logger.manager.loggerDict.pop("spelled.right.nane", None)
        logging.Logger.manager.loggerDict.pop("spelled.right.name", None)


def test_a_level_is_set_on_all_servers_or_on_none(ailing: Fleet) -> None:
    result = ailing.run("loglevel", CHILD, "DEBUG", "--all", "--timeout", "4")
    assert result.exit_code == 1
    assert "Nothing was set." in result.stderr
    assert "repeat the command with: --config" in result.stderr
    assert "--index 0-1,3" in result.stderr
    assert logging.getLogger(CHILD).level == logging.NOTSET
    found = ailing.json("loglevel", CHILD, "DEBUG", "--all", "--timeout", "4")
    assert [entry["ok"] for entry in found] == [True, True, False, True, False]


def set_on(*servers: LogServer, given: Sequence[str] = ("a.b", "DEBUG")) -> tuple[Result, list[str]]:
    """Set a level on stand-ins; returns the result and their URLs."""
    with ExitStack() as stack:
        urls = [stack.enter_context(log_server(server)) for server in servers]
        chosen = [option for url in urls for option in ("--url", url)]
        return CliRunner().invoke(main, ["loglevel", *given, *chosen, "--all"], env=NO_CONFIG), urls


def test_a_server_that_fails_after_the_check_is_listed_and_the_others_can_be_undone() -> None:
    servers = [LogServer({"a.b": "ERROR"}), LogServer({}), LogServer({}, fails=500), LogServer({"a.b": "ERROR"})]
    result, urls = set_on(*servers)
    assert result.exit_code == 1
    assert "HTTP 500" in result.stdout
    undo = [line for line in result.stderr.splitlines() if line.startswith("To undo: ")]
    assert undo == [
        f"To undo: lmcache-internal loglevel a.b ERROR --url {urls[0]} --url {urls[3]} --all",
        f"To undo: lmcache-internal loglevel a.b NOTSET --url {urls[1]}",
    ]


def test_lmcaches_own_server_is_checked_and_set_by_get() -> None:
    theirs, ours = LogServer({"a.b": "ERROR"}, is_lmcache=True), LogServer({})
    result, _ = set_on(theirs, ours)
    assert result.exit_code == 0
    assert [row[3:] for row in rows(result)] == [["DEBUG", "-", "ERROR"], ["DEBUG", "DEBUG", "NOTSET"]]
    assert (theirs.levels, ours.levels) == ({"a.b": "DEBUG"}, {"a.b": "DEBUG"})


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["a.b", "LOUD"], "Invalid log level: LOUD"),
        (["a.b", "DEBUG", "--for", "10m"], "cannot restore the level after a time"),
    ],
)
def test_lmcaches_own_server_is_not_sent_what_it_cannot_do(given: list[str], reason: str) -> None:
    theirs, ours = LogServer({}, is_lmcache=True), LogServer({})
    result, _ = set_on(theirs, ours, given=given)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert (theirs.levels, ours.levels) == ({}, {})


@pytest.mark.parametrize("before", ["--all", "-", "", "a\nb", "a;b", "x" * 65])
def test_a_level_of_a_server_never_becomes_an_option_of_the_command_that_undoes(before: str) -> None:
    result, _ = set_on(LogServer({}, before=before or "\u2028"), LogServer({}, fails=500))
    assert result.exit_code == 1
    assert "To undo" not in result.stderr
    assert "did not answer as expected" in result.stderr


def test_a_server_that_ignores_the_dry_run_is_a_failure() -> None:
    answer = Reply(200, '{"level": "DEBUG", "effective": "DEBUG", "before": "INFO"}')
    with responding(lambda _: answer) as url:
        result = CliRunner().invoke(main, ["loglevel", "a.b", "DEBUG", "--url", url], env=NO_CONFIG)
    assert result.exit_code == 1
    assert "has ignored dry_run=true" in result.stderr
