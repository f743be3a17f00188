"""Log records of an event loop: a thread writes them, and the last ones are written before it ends."""

from __future__ import annotations

import logging
import threading

import pytest

from lmcache_internal.system.log_queue import LogQueue


class Slow(logging.Handler):
    """A handler that takes its time, and records the thread that called it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.threads: set[threading.Thread] = set()

    def emit(self, record: logging.LogRecord) -> None:
        threading.Event().wait(0.02)
        self.lines.append(record.getMessage())
        self.threads.add(threading.current_thread())


def record(text: str, target: logging.Handler) -> logging.LogRecord:
    made = logging.LogRecord("test", logging.WARNING, __file__, 1, text, None, None)
    made.__dict__["diverted_from"] = target
    return made


def test_the_queued_records_are_written_by_the_thread_before_it_ends() -> None:
    queue, handler = LogQueue(), Slow()
    queue.start()
    for number in range(5):
        queue.handle(record(f"line {number}", handler))
    queue.end()
    assert handler.lines == [f"line {number}" for number in range(5)]
    (thread,) = handler.threads
    assert thread.name == "internal-api-server log"
    assert not thread.is_alive()


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_handler_that_raises_loses_only_its_own_records(
    error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error(record.getMessage())

    queue, handler = LogQueue(), Slow()
    queue.start()
    queue.handle(record("lost", Failing()))
    queue.handle(record("written", handler))
    queue.end()
    assert handler.lines == ["written"]
    assert f"{error.__name__}: lost" in capsys.readouterr().err


def test_a_queue_whose_thread_was_never_started_can_be_ended() -> None:
    LogQueue().end()
