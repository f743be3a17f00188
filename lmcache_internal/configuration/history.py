"""The changes to an engine's configuration: made all or none, remembered, and taken back."""

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
from ..log_lines import get_logger
from ..redaction import redact

logger = get_logger(__name__)

KEPT = 100
"""How many revisions are remembered; the oldest go first."""


class Change(Struct, frozen=True):
    """One key's value before and after, unmasked."""

    old: Any
    new: Any


class Revision(Struct, frozen=True):
    """One change of the configuration.

    Attributes:
        number: counts from 1.
        time: when it was made: ISO 8601, UTC.
        changes: what it changed, by key.
        rollback: whether it brought back an earlier revision.
        state: the value of every key changed so far, after this revision.
    """

    number: int
    time: str
    changes: Mapping[str, Change]
    rollback: bool
    state: Mapping[str, Any]

    def public(self) -> PublicRevision:
        """The revision as JSON, secrets masked."""
        changes = public_changes(self.changes)
        return {"number": self.number, "time": self.time, "changes": changes, "rollback": self.rollback}


class PublicChange(TypedDict):
    """A key's value before and after, secrets masked."""

    old: Any
    new: Any


class PublicRevision(TypedDict):
    """One change of the configuration.

    Attributes:
        number: counts from 1.
        time: when it was made: ISO 8601, UTC.
        changes: what it changed, by key.
        rollback: whether it brought back an earlier revision.
    """

    number: int
    time: str
    changes: dict[str, PublicChange]
    rollback: bool


def public_changes(changes: Mapping[str, Change]) -> dict[str, PublicChange]:
    """Old and new value by key, secrets masked."""
    return {
        name: {"old": redact(change.old, name), "new": redact(change.new, name)} for name, change in changes.items()
    }


class History:
    """The changes that went through here; those that others make to the config object are not in it."""

    def __init__(self) -> None:
        self._revisions: deque[Revision] = deque(maxlen=KEPT)
        self._start: dict[str, Any] = {}
        self._lock = threading.Lock()

    def change(self, config: Any, values: Mapping[str, Any], rollback: bool = False) -> dict[str, Change]:
        """Apply `values` to `config` and remember what differs; nothing is remembered where nothing does.

        Raises:
            EngineFailed: the config refused one of them; the others are as they were (500).
        """
        changes = _apply(config, values)
        if changes:
            self._remember(changes, rollback)
            logger.info("Configuration changed: %s", redact({name: change.new for name, change in changes.items()}))
        return changes

    @property
    def number(self) -> int:
        """The number of the last revision; 0 before the first."""
        revisions = self._revisions
        return revisions[-1].number if revisions else 0

    def revisions(self) -> list[Revision]:
        """The last `KEPT` revisions, the oldest first."""
        with self._lock:
            return list(self._revisions)

    def values_after(self, number: int) -> dict[str, Any]:
        """The value that each key ever changed had after revision `number`; 0 is before the first.

        Raises:
            NotFound: there is no such revision, or it is no longer kept (404).
        """
        with self._lock:
            found = {revision.number: revision.state for revision in self._revisions}
            if number != 0 and number not in found:
                kept = f"{min(found)} to {max(found)} are kept, and 0, the start" if found else "only 0, the start"
                raise NotFound(f"There is no revision {shown(number)}: {kept}. GET /conf/history lists them.")
            # Copies: whoever changes a dict of the config in place must not thereby change the past.
            return copy.deepcopy({**self._start, **found.get(number, {})})

    def is_changed(self, name: str, value: Any) -> bool:
        """Whether `name` was changed here, and `value` is not what it was before."""
        with self._lock:
            return name in self._start and bool(self._start[name] != value)

    def _remember(self, changes: Mapping[str, Change], rollback: bool) -> None:
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
    """The history of an engine, the same for all apps that serve it."""
    try:
        with _creating:
            found = _histories.get(manager)
            if found is None:
                found = _histories[manager] = History()
            return found
    except TypeError:  # It is no key, as a namespace is none: then nothing is remembered.
        return History()


def _apply(config: Any, values: Mapping[str, Any]) -> dict[str, Change]:
    before = {name: getattr(config, name, None) for name in values}
    differing = [name for name, value in values.items() if before[name] != value]
    changes = {name: Change(copy.deepcopy(before[name]), copy.deepcopy(values[name])) for name in differing}
    for name in differing:
        try:
            setattr(config, name, values[name])
        except BaseException as error:  # Whatever a config may raise, it must not stay half changed.
            lost = _restore(config, {each: before[each] for each in differing})
            raise _failure(name, error, changes, lost) from None
    return changes


def _restore(config: Any, before: Mapping[str, Any]) -> list[str]:
    """Set back what differs from `before`; return the keys where that failed, too."""
    lost = []
    for name, value in before.items():
        try:
            if getattr(config, name, None) is not value:
                setattr(config, name, value)
        except Exception:  # The others must still be restored; the answer names this one.
            lost.append(name)
    return lost


def _failure(name: str, error: BaseException, changes: Mapping[str, Change], lost: list[str]) -> EngineFailed:
    values = [(key, value) for key, change in changes.items() for value in (change.old, change.new)]
    reason = type(error).__name__
    # An exception may quote the values, in a form in which no secret can be told from the rest.
    if all(redact(value, key) == value for key, value in values):
        reason += f": {redact(str(error))}"
    outcome = f"and could not be restored: {', '.join(lost)}" if lost else "and everything was restored as it was"
    message = f"Setting {name} failed ({reason}), {outcome}."
    logger.error("%s", message)
    return EngineFailed(message, title="Failed to set the configuration")
