"""Login links that work once, and the sessions that they begin, as in Jupyter.

The link is printed to the terminal of the user who started the gateway. So only that user gets a session, although
every process of the machine can connect to loopback.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable

MAX_SESSIONS = 16
"""The number of sessions; another login ends the oldest one."""


class Login:
    """The current link and the sessions of one gateway. They are kept in memory, and end with the process.

    Attributes:
        on_exchange: is called when the link was used and replaced.
    """

    def __init__(self) -> None:
        self.on_exchange: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._token = secrets.token_urlsafe(32)
        self._sessions: deque[str] = deque(maxlen=MAX_SESSIONS)

    @property
    def token(self) -> str:
        """The token of the link that has not been used."""
        return self._token

    def exchange(self, token: str) -> str | None:
        """Return the secret of a new session for the token of the link, and replace the link; None for another token.

        Args:
            token: what the client sent.
        """
        with self._lock:
            if not _equal(token, self._token):
                return None
            self._token = secrets.token_urlsafe(32)
            session = secrets.token_urlsafe(32)
            self._sessions.append(session)
        self.on_exchange()
        return session

    def admits(self, session: str) -> bool:
        """Return whether `session` is the secret of a session, in constant time."""
        with self._lock:
            return any(_equal(session, known) for known in self._sessions)


def _equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
