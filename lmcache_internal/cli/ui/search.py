"""Search for the ranks again and again, so that the page follows a deployment whose ranks come and go."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import click

from ..fleet import Fleet
from ..outcome import Found
from ..text import one_line
from .listing import problem_of
from .ranks import Ranks

SEARCH_SECONDS = 30.0
"""The time between two searches."""
_JOIN_SECONDS = 1.0
"""How long the end waits for a search; a search that takes longer ends with its timeout."""


class Search:
    """Searches in a thread between `start` and `stop`. Servers that the user named one by one are not searched.

    Args:
        fleet: the servers of the command.
        ranks: the ranks to replace.
        seconds: the time between two searches.
    """

    def __init__(self, fleet: Fleet, ranks: Ranks, seconds: float = SEARCH_SECONDS) -> None:
        self._fleet = fleet
        self._ranks = ranks
        self._seconds = seconds
        self._ended = threading.Event()
        self._read = datetime.now(timezone.utc)
        self._problem = problem_of(fleet.found)
        # A daemon thread: a list that is read slowly must not keep the gateway from ending.
        self._thread = threading.Thread(target=self._run, daemon=True, name="search for ranks")

    def start(self) -> None:
        """Start the thread, if another search may find other servers."""
        if self._fleet.can_change:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    @property
    def problem(self) -> str | None:
        """Why the last search failed, and from when the list is, in ISO 8601; None if it did not fail."""
        if self._problem is None:
            return None
        return f"The list of ranks is from {self._read.isoformat(timespec='seconds')}. {self._problem}"

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            self.once()

    def once(self) -> None:
        """Search once. If the list cannot be read, the ranks stay."""
        try:
            found = self._fleet.search()
            self._problem = problem_of(found)
            if self._problem is None:
                self._take(found)
        except click.ClickException as error:
            self._problem = one_line(error.format_message())
        except Exception as error:  # A list may say anything; the next search must still take place.
            self._problem = one_line(f"{type(error).__name__}: {error}")

    def _take(self, found: Found) -> None:
        self._ranks.replace(found)
        self._read = datetime.now(timezone.utc)
