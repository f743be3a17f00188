"""Collect the facts of this rank: each group in its own thread, with a timeout, shared by concurrent requests."""

from __future__ import annotations

import functools
from typing import Any, cast

import msgspec

from ...errors import CallTimedOut
from ...redaction import redact
from ..checks import Subject
from ..shared_calls import SharedCall, SharedCalls
from .collectors import Collector, collectors
from .ranks import NOT_COLLECTED

COLLECT_SECONDS = 2.0
"""Timeout of a collector."""
FRESH_SECONDS = 1.0
"""How long facts are cached."""
_LONGEST_REASON = 300


FACTS_KEY = "lmcache_internal.diagnostics.doctor.facts"
"""The key of the app's `FactsCollector` in `app.extensions`."""


class FactsCollector:
    """Collects the facts of one app's engine; a group that cannot be collected has a reason instead."""

    def __init__(self) -> None:
        self._calls = SharedCalls(COLLECT_SECONDS, FRESH_SECONDS)

    def collect(self, subject: Subject) -> dict[str, Any]:
        """Return the facts by group, as JSON data, with secrets masked; `not_collected` has the reasons."""
        started = {
            group: self._calls.start(f"collect {group} facts", functools.partial(_collect, collector, subject))
            for group, collector in collectors().items()
        }
        results = {group: self._result(call) for group, call in started.items()}
        facts = {group: found for group, found in results.items() if not isinstance(found, str)}
        return {**facts, NOT_COLLECTED: {group: why for group, why in results.items() if isinstance(why, str)}}

    def _result(self, call: SharedCall) -> dict[str, Any] | str:
        try:
            return cast("dict[str, Any] | str", self._calls.result(call))
        except (CallTimedOut, RuntimeError) as error:
            return str(error)


def _collect(collector: Collector, subject: Subject) -> dict[str, Any] | str:
    """Return the facts of a group, or why there are none."""
    try:
        facts: dict[str, Any] = msgspec.to_builtins(redact(dict(collector(subject))), enc_hook=str, str_keys=True)
    except Exception as error:  # An engine may raise any exception; the other groups are still facts.
        return str(redact(" ".join(f"{type(error).__name__}: {error}".split())))[:_LONGEST_REASON]
    return facts
