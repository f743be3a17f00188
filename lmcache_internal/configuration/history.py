"""Change an engine's configuration atomically, record the changes, and restore earlier values."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from msgspec import Struct

from ..conversion import shown
from ..errors import EngineFailed, NotFound
from ..redaction import redact
from ..redaction.log_lines import get_logger

logger = get_logger(__name__)

KEPT = 100
"""Number of recorded revisions; the oldest are dropped first."""


class Change(Struct, frozen=True):
    """One key's value before and after, unmasked."""

    old: Any
    new: Any


class Revision(Struct, frozen=True):
    """One change of the configuration.

    Attributes:
        number: number of the revision, from 1.
        time: time of the change: ISO 8601, UTC.
        changes: the changes by key.
        rollback: whether it restored an earlier revision.
        state: the value of every key changed so far, after this revision.
    """

    number: int
    time: str
    changes: Mapping[str, Change]
    rollback: bool
    state: Mapping[str, Any]

    def public(self) -> PublicRevision:
        """Return the revision as JSON, with secrets masked."""
        changes = public_changes(self.changes)
        return {"number": self.number, "time": self.time, "changes": changes, "rollback": self.rollback}


class PublicChange(TypedDict):
    """One key's value before and after, with secrets masked."""

    old: Any
    new: Any


class PublicRevision(TypedDict):
    """One change of the configuration.

    Attributes:
        number: number of the revision, from 1.
        time: time of the change: ISO 8601, UTC.
        changes: the changes by key.
        rollback: whether it restored an earlier revision.
    """

    number: int
    time: str
    changes: dict[str, PublicChange]
    rollback: bool


def public_changes(changes: Mapping[str, Change]) -> dict[str, PublicChange]:
    """Return the old and new values by key, with secrets masked."""
    return {
        name: {"old": redact(change.old, name), "new": redact(change.new, name)} for name, change in changes.items()
    }


class History:
    """The changes made through the API; changes that others make to the config object are not included."""

    def __init__(self) -> None:
        self._revisions: deque[Revision] = deque(maxlen=KEPT)
        self._start: dict[str, Any] = {}
        self._lock = threading.Lock()

    def change(self, config: Any, values: Mapping[str, Any], rollback: bool = False) -> dict[str, Change]:
        """Apply `values` to `config` and record the changes; a call that changes nothing is not recorded.

        Raises:
            EngineFailed: the config rejected a value; the other values were restored (500).
        """
        changes = _apply(config, values)
        if changes:
            self._record(changes, rollback)
            logger.info("Configuration changed: %s", redact({name: change.new for name, change in changes.items()}))
        return changes

    @property
    def number(self) -> int:
        """The number of the last revision; 0 before the first."""
        revisions = self._revisions
        return revisions[-1].number if revisions else 0

    def revisions(self) -> list[Revision]:
        """Return the last `KEPT` revisions, oldest first."""
        with self._lock:
            return list(self._revisions)

    def values_after(self, number: int) -> dict[str, Any]:
        """Return the value of each changed key after revision `number`; 0 is before the first revision.

        Raises:
            NotFound: the revision does not exist, or is no longer recorded (404).
        """
        with self._lock:
            found = {revision.number: revision.state for revision in self._revisions}
            if number != 0 and number not in found:
                kept = f"{min(found)} to {max(found)} are kept, and 0, the start" if found else "only 0, the start"
                raise NotFound(f"There is no revision {shown(number)}: {kept}. GET /conf/history lists them.")
            # Copies, because a later change of a dict of the config in place must not change the history.
            return copy.deepcopy({**self._start, **found.get(number, {})})

    def is_changed(self, name: str, value: Any) -> bool:
        """Return whether `name` was changed here and `value` is not its first value."""
        with self._lock:
            return name in self._start and bool(self._start[name] != value)

    def _record(self, changes: Mapping[str, Change], rollback: bool) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with self._lock:
            for name, change in changes.items():
                self._start.setdefault(name, change.old)
            number, state = (self._revisions[-1].number, self._revisions[-1].state) if self._revisions else (0, {})
            state = {**state, **{name: change.new for name, change in changes.items()}}
            self._revisions.append(Revision(number + 1, now, changes, rollback, state))


_histories: WeakKeyDictionary[Any, History] = WeakKeyDictionary()
_creating = threading.Lock()


def history_of(manager: Any) -> History:
    """Return the history of an engine, the same object for all apps that serve it."""
    try:
        with _creating:
            found = _histories.get(manager)
            if found is None:
                found = _histories[manager] = History()
            return found
    except TypeError:  # The manager is not hashable, such as a namespace: nothing is recorded.
        return History()


def _apply(config: Any, values: Mapping[str, Any]) -> dict[str, Change]:
    before = {name: getattr(config, name, None) for name in values}
    differing = [name for name, value in values.items() if before[name] != value]
    changes = {name: Change(copy.deepcopy(before[name]), copy.deepcopy(values[name])) for name in differing}
    for name in differing:
        try:
            setattr(config, name, values[name])
        except BaseException as error:  # Any exception: the config must not stay partly changed.
            lost = _restore(config, {each: before[each] for each in differing})
            raise _failure(name, error, changes, lost) from None
    return changes


def _restore(config: Any, before: Mapping[str, Any]) -> list[str]:
    """Restore the values of `before`; return the keys that could not be restored."""
    lost = []
    for name, value in before.items():
        try:
            if getattr(config, name, None) is not value:
                setattr(config, name, value)
        except Exception:  # The other keys must still be restored; the response lists this one.
            lost.append(name)
    return lost


def _failure(name: str, error: BaseException, changes: Mapping[str, Change], lost: list[str]) -> EngineFailed:
    values = [(key, value) for key, change in changes.items() for value in (change.old, change.new)]
    reason = type(error).__name__
    # An exception may quote the values in a form in which secrets cannot be found.
    if all(redact(value, key) == value for key, value in values):
        reason += f": {redact(str(error))}"
    outcome = f"and could not be restored: {', '.join(lost)}" if lost else "and all values were restored"
    message = f"Setting {name} failed ({reason}), {outcome}."
    logger.error("%s", message)
    return EngineFailed(message, title="Failed to set the configuration")
