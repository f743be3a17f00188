"""Run the checks: requests share results, which are cached for 1 second; the timeout is 2 seconds."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any, Literal, cast

from msgspec import Struct

from ..errors import ApiError, CallTimedOut
from ..limits.server_load import Load
from ..limits.timeouts import clock
from ..plugins import Plugins
from ..redaction import redact
from .checks import IN_MEMORY, Check, Degraded, Level, Outcome, Subject, Unhealthy
from .checks_by_kind import checks_of
from .modes import Modes, short
from .shared_calls import SharedCall, SharedCalls

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


class Health:
    """The checks of one app.

    Args:
        state: the app's `state`; its `lmcache_adapter` is looked up for each evaluation.
        plugins: the result of loading the endpoint files.
        modes: the modes of the engine.
        timeout: timeout of a call or a script in seconds, whichever is larger.

    Attributes:
        latest: the last level of each check that has run.
        since: when each check was first seen at its last level, in seconds since the epoch.
        refreshed: the monotonic time when all checks were last run for the metrics.
    """

    def __init__(self, state: SimpleNamespace, plugins: Plugins, modes: Modes, timeout: float) -> None:
        self.latest: Mapping[str, Level] = {}
        self.since: Mapping[str, float] = {}
        self.refreshed = float("-inf")
        self._seen: Mapping[str, Level] = {}  # Like `latest`, which is emptied when its results are too old.
        self._lock = threading.Lock()
        self._state = state
        self._plugins = plugins
        self._of_plugins = {name: functools.partial(_of_plugin, check) for name, check in plugins.health_checks.items()}
        self._modes = modes
        self._timeout = timeout
        self._calls = SharedCalls(CHECK_SECONDS, FRESH_SECONDS)

    @property
    def names(self) -> tuple[str, ...]:
        """The checks of an engine of this kind, and those of plugins."""
        return tuple(self._checks(self._manager))

    @property
    def _manager(self) -> Any:
        return getattr(self._state, "lmcache_adapter", None)

    def _checks(self, manager: Any) -> Mapping[str, Check]:
        return {**checks_of(manager), **self._of_plugins}

    def outcomes(self, checks: Collection[str], load: Callable[[], Load] | None) -> dict[str, Outcome]:
        """Run `checks` concurrently, unless they have a fresh result.

        Args:
            checks: names out of `names`.
            load: returns the load of the server that received the request; None for another WSGI server.
        """
        subject = self.subject(load)
        known = self._checks(subject.manager)
        runs = {check: functools.partial(_outcome_of, functools.partial(known[check], subject)) for check in checks}
        started = {
            check: self._calls.start(f"check {check}", runs[check]) for check in checks if check not in IN_MEMORY
        }
        outcomes = {check: self._outcome(started[check]) if check in started else runs[check]() for check in checks}
        self._record({check: outcome.level for check, outcome in outcomes.items()})
        return outcomes

    def _record(self, levels: Mapping[str, Level]) -> None:
        now = time.time()
        with self._lock:  # New dicts, because a scrape or another request may read the old ones.
            changed = {check: now for check, level in levels.items() if self._seen.get(check) != level}
            self.since = {**self.since, **changed}
            self._seen = {**self._seen, **levels}
            self.latest = {**self.latest, **levels}

    def subject(self, load: Callable[[], Load] | None) -> Subject:
        """Return the objects that are checked; `load` as in `outcomes`."""
        tokens = self._state.gate.tokens
        return Subject(self._manager, self._plugins, load, self._timeout, self._modes, tokens)

    def _outcome(self, call: SharedCall) -> Outcome:
        try:
            return cast(Outcome, self._calls.result(call))
        except (CallTimedOut, RuntimeError) as error:
            return _failed(error)


class Verdict(Struct):
    """The result of one check in the response.

    Attributes:
        ok: whether the check passes.
        message: the reason or the finding; one line without secrets.
        since: when the check was first seen at this level, as ISO 8601 in UTC.
    """

    ok: bool
    message: str
    since: str


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
    def of(
        cls,
        outcomes: Mapping[str, Outcome],
        since: Mapping[str, float],
        bad: Collection[Level],
        verbose: bool,
        detailed: bool,
    ) -> Report:
        """Create the report of `outcomes`.

        Args:
            outcomes: check to outcome.
            since: check to the time of its last change of level, in seconds since the epoch.
            bad: the levels that fail.
            verbose: whether the text lists the checks that pass.
            detailed: whether the caller has a role above public.
        """
        messages = {
            check: outcome.detail if detailed and outcome.detail else outcome.message
            for check, outcome in outcomes.items()
        }
        failing = [check for check, outcome in outcomes.items() if outcome.level in bad]
        checks = {
            check: Verdict(check not in failing, message, clock(since[check])) for check, message in messages.items()
        }
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


def _of_plugin(check: Callable[[], object], _: Subject) -> Outcome:
    try:
        found = check()
    except (ApiError, Degraded, Unhealthy):
        raise
    except BaseException as error:  # A plugin may raise anything, and the text of that may quote anything.
        return Outcome("failed", type(error).__name__, f"{type(error).__name__}: {error}")
    if found is not None and not isinstance(found, str):  # Such as False or a coroutine, which must not pass.
        return Outcome("failed", f"it returned {type(found).__name__}, not a text or None")
    return Outcome("ok", found or "")


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
