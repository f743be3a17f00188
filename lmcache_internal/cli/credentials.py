"""Read the token that a command sends, and decide which servers may receive it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import click

from ..errors import ConfigError
from ..security.bearer import checked_token, token_in
from ..security.tokens import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE
from ..system.peer_credentials import Peer

CLIENT_VARIABLE = "LMCACHE_INTERNAL_TOKEN"
"""Holds the token that a command sends."""


@dataclass(frozen=True)
class BearerToken:
    """A token, and the users whose servers on Unix sockets may receive it.

    Attributes:
        text: the token.
        peer_uids: the user ids that a server may run as, besides root and the current user.
        for_listed: whether servers may receive it that a list from the network names.
    """

    text: str
    peer_uids: frozenset[int] = frozenset()
    for_listed: bool = False

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
    if user.isdecimal():
        return int(user)
    try:
        import pwd  # Windows does not have it.

        return pwd.getpwnam(user).pw_uid
    except ImportError:
        raise ConfigError(f"This system has no user ids, so --peer-user {user} has no effect; remove it") from None
    except KeyError:
        raise ConfigError(f"There is no user {user!r} on this machine; give a name or a number") from None


def token_file_named(path: str | None, old: str | None) -> str | None:
    """Return the file that `--bearer-token-file` names, or `--token-file`, its old name."""
    if path is not None and old is not None:
        raise click.UsageError("--token-file is the old name of --bearer-token-file; give one of them.")
    if old is not None:
        _warn("--token-file", "--bearer-token-file")
    return path or old


def token_from(path: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the token to send: from the file `path`, or from the environment; None if there is none.

    Raises:
        ConfigError: the file cannot be read, or what it or the variable holds is no token.
    """
    if path is not None:
        return token_in(path, path)
    if text := environ.get(CLIENT_VARIABLE):
        return checked_token(text, CLIENT_VARIABLE)
    # What the server reads, too: the commands took it before they had a variable of their own.
    if text := environ.get(TOKEN_VARIABLE):
        _warn(TOKEN_VARIABLE, CLIENT_VARIABLE)
        return checked_token(text, TOKEN_VARIABLE)
    if old := environ.get(TOKEN_FILE_VARIABLE):
        _warn(TOKEN_FILE_VARIABLE, "--bearer-token-file")
        return token_in(old, f"{TOKEN_FILE_VARIABLE}={old}")
    return None


def _warn(old: str, new: str) -> None:
    click.echo(f"Warning: {old} is deprecated for what a command sends; use {new}.", err=True)
