"""A connection cannot be accepted: the client waits, and the log says why."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, gil_sockets
from tests.serving.support import LAST, serving
from tests.wire import converse, statuses


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    with serving(tmp_path) as served:
        yield served


def fail_to_accept(monkeypatch: pytest.MonkeyPatch, number: int, times: int = 1) -> list[OSError]:
    """Let the next connections fail with an error number; return the failures that are left."""
    failures = [OSError(number, os.strerror(number)) for _ in range(times)]
    accept = gil_sockets.accept

    def failing(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return accept(*arguments)

    monkeypatch.setattr(acceptor, "accept", failing)
    return failures


@pytest.mark.parametrize(
    ("number", "level", "message"),
    [
        (errno.EMFILE, logging.WARNING, "New connections wait: Too many open files"),
        (errno.ENOMEM, logging.WARNING, "New connections wait: Cannot allocate memory"),
        (errno.EPERM, logging.ERROR, "A connection could not be accepted"),
    ],
)
def test_a_client_waits_while_no_connection_can_be_accepted(
    server: InternalAPIServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    level: int,
    message: str,
) -> None:
    fail_to_accept(monkeypatch, number)
    assert statuses(converse(server, LAST)) == [200]
    logged = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == acceptor.__name__]
    assert logged == [(level, message)]


def test_the_log_says_only_once_that_new_connections_wait(
    server: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = fail_to_accept(monkeypatch, errno.EMFILE, times=3)
    monkeypatch.setattr(acceptor, "SWEEP_SECONDS", 0.05)
    assert statuses(converse(server, LAST)) == [200]
    assert not failures
    assert [record.name for record in caplog.records].count(acceptor.__name__) == 1
