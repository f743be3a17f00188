"""Run the checks: requests share results, which are cached for 1 second; the timeout is 2 seconds."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any, Literal

from msgspec import Struct

from ..errors import ApiError
from ..limits.server_load import Load
from ..limits.timeouts import Call, stuck_calls
from ..plugins import Plugins
from ..redaction import redact
from .checks import IN_MEMORY, Check, Degraded, Level, Outcome, Subject, Unhealthy
from .checks_by_kind import checks_of
from .modes import Modes, short

CHECK_SECONDS = 2.0
"""Timeout of a check."""
FRESH_SECONDS = 1.0
"""How long a result is cached."""
_LONGEST_MESSAGE = 1000

HEALTH_KEY = "lmcache_internal.diagnostics.health"
"""The key of the app's `Health` in `app.extensions`."""


READY: Collection[Level] = ("failed", "drained")
"""The levels that fail `/readyz`."""
HEALTHY: Collection[Level] = ("failed", "warning")
"""The levels that fail `/healthz`."""


class _Evaluation(Call):
    """One run of one check, shared by all requests that arrive while it runs or its result is fresh."""

    def __init__(self, check: str, function: Callable[[], str | Outcome]) -> None:
        super().__init__(f"check {check}", functools.partial(_outcome_of, function))
        self._began = time.monotonic()

    def is_current(self) -> bool:
        """Return whether it is still running, or its result is fresh."""
        return self.is_alive() or time.monotonic() - self._began < FRESH_SECONDS

    def outcome(self) -> Outcome:
        """Return the result; wait until `CHECK_SECONDS` after the start."""
        if self.ident is None and self.error is not None:
            return _failed(self.error)  # The thread could not be started.
        self.join(max(0.0, self._began + CHECK_SECONDS - time.monotonic()))
        if self.is_alive():
            return Outcome("failed", f"did not respond within {CHECK_SECONDS:g} s")
        return self.result if self.error is None else _failed(self.error)


class Health:
    """The checks of one app.

    Args:
        state: the app's `state`; its `lmcache_adapter` is looked up for each evaluation.
        plugins: the result of loading the endpoint files.
        modes: the modes of the engine.
        timeout: timeout of a call or a script in seconds, whichever is larger.

    Attributes:
        latest: the last level of each check that has run.
    """

    def __init__(self, state: SimpleNamespace, plugins: Plugins, modes: Modes, timeout: float) -> None:
        self.latest: Mapping[str, Level] = {}
        self._state = state
        self._plugins = plugins
        self._modes = modes
        self._timeout = timeout
        self._evaluations: dict[str, _Evaluation] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The checks of an engine of this kind."""
        return tuple(checks_of(self._manager))

    @property
    def _manager(self) -> Any:
        return getattr(self._state, "lmcache_adapter", None)

    def outcomes(self, checks: Collection[str], load: Callable[[], Load] | None) -> dict[str, Outcome]:
        """Run `checks` concurrently, unless they have a fresh result.

        Args:
            checks: names out of `names`.
            load: returns the load of the server that received the request; None for another WSGI server.
        """
        manager, known = self._manager, checks_of(self._manager)
        subject = Subject(manager, self._plugins, load, self._timeout, self._modes, self._state.gate.tokens)
        started = {check: self._evaluation(check, known[check], subject) for check in checks if check not in IN_MEMORY}
        outcomes = {
            check: self._outcome(started[check])
            if check in started
            else _outcome_of(functools.partial(known[check], subject))
            for check in checks
        }
        # A new dict, because a scrape may read the old one.
        self.latest = {**self.latest, **{check: outcome.level for check, outcome in outcomes.items()}}
        return outcomes

    def _evaluation(self, check: str, function: Check, subject: Subject) -> _Evaluation:
        with self._lock:
            found = self._evaluations.get(check)
            if found is None or not found.is_current():
                found = _Evaluation(check, functools.partial(function, subject))
                try:
                    found.start()
                except RuntimeError as error:  # The system cannot create more threads.
                    found.error = error
                current = {other: old for other, old in self._evaluations.items() if old.is_current()}
                self._evaluations = current | {check: found}
        return found

    def _outcome(self, evaluation: _Evaluation) -> Outcome:
        outcome = evaluation.outcome()
        if evaluation.is_alive():
            with self._lock:
                if evaluation not in stuck_calls.named(evaluation.called):
                    evaluation.name += " (stuck)"
                    stuck_calls.add(evaluation)
        return outcome


class Verdict(Struct):
    """The result of one check in the response.

    Attributes:
        ok: whether the check passes.
        message: the reason or the finding; one line without secrets.
    """

    ok: bool
    message: str


class Report(Struct, dict=True, omit_defaults=True):
    """The response to one request: as JSON, and as the text that curl and kubelet show.

    Attributes:
        status: `failed` if a check fails.
        checks: the results by name.
        mode: the restricted modes of the engine, such as `frozen,bypass`; omitted if there are none.
    """

    status: Literal["ok", "failed"]
    checks: dict[str, Verdict]
    mode: str = ""

    @classmethod
    def of(cls, outcomes: Mapping[str, Outcome], bad: Collection[Level], verbose: bool, detailed: bool) -> Report:
        """Create the report of `outcomes`.

        Args:
            outcomes: check to outcome.
            bad: the levels that fail.
            verbose: whether the text lists the checks that pass.
            detailed: whether the caller has a role above public.
        """
        messages = {
            check: outcome.detail if detailed and outcome.detail else outcome.message
            for check, outcome in outcomes.items()
        }
        failing = [check for check, outcome in outcomes.items() if outcome.level in bad]
        checks = {check: Verdict(check not in failing, message) for check, message in messages.items()}
        modes = short([mode for outcome in outcomes.values() for mode in outcome.modes])
        report = cls("failed" if failing else "ok", checks, modes)
        warns = [check for check in outcomes if outcomes[check].modes] if "warning" in bad else []
        shown = [check for check in outcomes if verbose or check in failing or check in warns]
        lines = [_line(check, outcomes[check].level, check in failing, messages[check]) for check in shown]
        if not (failing or verbose):
            lines.insert(0, "ok")
        report.__dict__["text"] = "\n".join(lines)  # Not a field, because it is not part of the JSON.
        return report

    def __str__(self) -> str:
        return str(self.__dict__["text"])


def _line(check: str, level: Level, fails: bool, message: str) -> str:
    if fails:
        return f"[-]{check} failed: {message}"
    if level != "ok":
        return f"[!]{check} warning: {message}"
    return f"[+]{check} ok: {message}".removesuffix(": ")


def _outcome_of(check: Callable[[], str | Outcome]) -> Outcome:
    try:
        found = check()
        if isinstance(found, Outcome):
            return Outcome(found.level, _presentable(found.message), _presentable(found.detail), found.modes)
        return Outcome("ok", _presentable(found))
    except BaseException as error:  # An engine may raise any exception; it is the result of the check.
        return _failed(error)


def _failed(error: BaseException) -> Outcome:
    expected = isinstance(error, (ApiError, Degraded, Unhealthy))
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    return Outcome("warning" if isinstance(error, Degraded) else "failed", _presentable(reason))


def _presentable(message: str) -> str:
    line = " ".join(str(redact(message)).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
