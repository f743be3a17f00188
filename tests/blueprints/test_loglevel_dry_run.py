"""PUT /loglevel?dry_run=true: the response of the change, and no change."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.security.support import last_audit

PARENT, CHILD = "tests.dry", "tests.dry.run"


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    logging.getLogger(PARENT).setLevel("ERROR")
    logging.getLogger(CHILD)
    root = logging.getLogger().level
    yield
    for name in (PARENT, CHILD):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger().setLevel(root)


def levels() -> dict[str, int]:
    known = dict(logging.Logger.manager.loggerDict)
    return {name: logger.level for name, logger in known.items() if isinstance(logger, logging.Logger)}


@pytest.mark.parametrize("name", [PARENT, CHILD, f"{CHILD}.unborn.x", "tests.dri", "nobody", "root", "a..b", "."])
@pytest.mark.parametrize("level", [None, "debug", "NOTSET", "WARN"])
def test_a_dry_run_says_what_the_change_does_and_changes_nothing(
    client: FlaskClient, name: str, level: str | None
) -> None:
    query = {"logger_name": name, "for": "10m"} | ({"level": level} if level else {})
    before = levels(), logging.getLogger().level
    dry = client.put("/loglevel", query_string=query | {"dry_run": "true"})
    assert (dry.status_code, (levels(), logging.getLogger().level)) == (200, before)
    assert last_audit(client)["arguments"]["dry_run"] == "true"
    real = client.put("/loglevel", query_string=query)
    assert dry.get_json() == real.get_json() | {"dry_run": True}
    assert real.get_json()["effective"] == logging.getLevelName(logging.getLogger(name).getEffectiveLevel())
    client.put("/loglevel", query_string={"logger_name": name, "level": logging.getLevelName(before[0].get(name, 0))})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"logger_name": CHILD, "level": "LOUD"}, 400),
        ({"logger_name": CHILD, "level": "DEBUG", "for": "10x"}, 400),
        ({"logger_name": CHILD, "level": "DEBUG", "for": "8000d"}, 400),
        ({"logger_name": "x" * 257, "level": "DEBUG"}, 400),
        ({"level": "DEBUG"}, 400),
        ({"logger_name": "lmcache_internal.audit", "level": "ERROR"}, 403),
        ({"logger_name": CHILD, "dryrun": "true"}, 400),
    ],
)
def test_a_dry_run_refuses_what_the_change_refuses(client: FlaskClient, query: dict[str, str], status: int) -> None:
    before = levels()
    dry = client.put("/loglevel", query_string=query | {"dry_run": "true"})
    real = client.put("/loglevel", query_string=query)
    assert (dry.status_code, real.status_code) == (status, status)
    assert dry.text == real.text
    assert levels() == before
