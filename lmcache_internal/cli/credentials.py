"""Read the token that a command sends, and decide which servers may receive it."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from ..errors import ConfigError
from ..security.tokens import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE
from ..system.peer_credentials import Peer


@dataclass(frozen=True)
class BearerToken:
    """A token, and the users whose servers on Unix sockets may receive it.

    Attributes:
        text: the token.
        peer_uids: the user ids that a server may run as, besides root and the current user.
    """

    text: str
    peer_uids: frozenset[int] = frozenset()

    def refusal_for(self, peer: Peer) -> str | None:
        """Return why `peer` must not receive the token; None if it may."""
        if peer.uid in {0, os.geteuid(), *self.peer_uids}:
            return None
        return (
            f"the token was not sent: the server on this socket runs as uid {peer.uid} (process {peer.pid}), not as "
            f"you (uid {os.geteuid()}) or root; if that is the user it should run as, give --peer-user {peer.uid}"
        )


def uid_of(user: str) -> int:
    """Return the user id for a name or number; raises `ConfigError` for an unknown name."""
    try:
        return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(f"There is no user {user!r} on this machine; give a name or a number") from None


def token_from(path: str | None, environ: dict[str, str]) -> str | None:
    """Return the token to send: from the file `path`, or from the environment; None if there is none.

    Raises:
        ConfigError: the file cannot be read, or is empty.
    """
    path = path or (None if environ.get(TOKEN_VARIABLE) else environ.get(TOKEN_FILE_VARIABLE))
    if path is None:
        return environ.get(TOKEN_VARIABLE) or None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # One call, and `path` is a string.
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the token in {path}: {error}") from error
    if not token:
        raise ConfigError(f"The token file {path} is empty; it must hold the token alone")
    return token
