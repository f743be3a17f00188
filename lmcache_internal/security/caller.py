"""Authentication: identify the client of a request by its token or, without tokens, by its connection."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ..errors import CURL_ADVICE, Unauthorized
from ..roles import Role
from .limiter import FailureLimiter
from .proxies import came_through_proxy
from .tokens import TokenStore

DIRECT_KEY = "lmcache_internal.direct"
"""WSGI environ key: set if REMOTE_ADDR is the peer of the connection, not the claim of another server."""
PEER_UID_KEY = "lmcache_internal.peer_uid"
"""WSGI environ key: the user id at the other end of a Unix socket."""
PUBLIC_KEY = "lmcache_internal.public"
"""WSGI environ key: set if the public listener accepted the request."""


class Caller(Struct, frozen=True):
    """The client of a request.

    Attributes:
        name: the name of its token, "local" over loopback, "uid 1000" over a Unix socket, or "anonymous".
        role: the role of the client.
        address: its address, REMOTE_ADDR.
    """

    name: str
    role: Role
    address: str


class InvalidToken(Unauthorized):
    """The request has a token that is not valid (401)."""


class Callers:
    """Identifies the clients of requests.

    Args:
        tokens: the valid tokens.
        trust_loopback: trust REMOTE_ADDR behind another WSGI server, too.
        max_role: the highest role of any client.
    """

    def __init__(self, tokens: TokenStore, trust_loopback: bool, max_role: Role) -> None:
        self._tokens = tokens
        self._trust_loopback = trust_loopback
        self._max_role = max_role
        self._limiter = FailureLimiter()

    def identify(self, environ: Mapping[str, Any]) -> Caller:
        """Return the client of a request.

        Raises:
            InvalidToken: the request has a token that is not valid (401).
        """
        address = str(environ.get("REMOTE_ADDR") or "")
        if environ.get(PUBLIC_KEY):
            return Caller("anonymous", Role.PUBLIC, address)
        caller = self._by_token(environ, address) if self._tokens.in_use else self._by_connection(environ, address)
        return caller if caller.role <= self._max_role else Caller(caller.name, self._max_role, address)

    def count_failure(self, environ: Mapping[str, Any]) -> None:
        """Count an invalid token.

        Raises:
            TooManyRequests: too many invalid tokens came from the same network (429).
        """
        self._limiter.count(str(environ.get("REMOTE_ADDR") or ""))

    def hint(self, environ: Mapping[str, Any]) -> str:
        """Return what the client of a refused request can do."""
        if self._tokens.in_use:
            return f"{CURL_ADVICE} -H 'Authorization: Bearer …'.{self.problem}"
        if environ.get(DIRECT_KEY) or self._trust_loopback:
            return (
                "Without tokens, only direct connections over loopback or the Unix socket have access; "
                "set extra_config.internal_api_server_tokens_file to give access to other clients."
            )
        return (
            "Behind another WSGI server, a client needs a token (extra_config.internal_api_server_tokens_file). If no "
            "proxy forwards requests, you can instead admit loopback "
            "(extra_config.internal_api_server_trust_loopback: true)."
        )

    @property
    def problem(self) -> str:
        """A space and the reason why the tokens file cannot be used; empty if it can be used."""
        problem = self._tokens.problem
        return f" The server cannot use its tokens file: {problem}." if problem else ""

    def _by_token(self, environ: Mapping[str, Any], address: str) -> Caller:
        scheme, _, text = str(environ.get("HTTP_AUTHORIZATION") or "").partition(" ")
        if not text or scheme.lower() != "bearer":
            return Caller("anonymous", Role.PUBLIC, address)
        token = self._tokens.find(text.strip())
        if token is None:
            raise InvalidToken(
                f"The token is not valid.{self.problem}", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            )
        return Caller(token.name, Role.named(token.role), address)

    def _by_connection(self, environ: Mapping[str, Any], address: str) -> Caller:
        if not is_local(environ, self._trust_loopback):
            return Caller("anonymous", Role.PUBLIC, address)
        uid = environ.get(PEER_UID_KEY)
        if uid is None:
            return Caller("local", Role.ADMIN, address)
        return Caller(f"uid {uid}", Role.ADMIN if uid in (0, os.geteuid()) else Role.PUBLIC, address)


def is_local(environ: Mapping[str, Any], trust_loopback: bool = False) -> bool:
    """Return whether the client is on this machine: it uses a Unix socket or loopback, and no proxy."""
    if not (trust_loopback or environ.get(DIRECT_KEY)) or environ.get(PUBLIC_KEY):
        return False
    if came_through_proxy(tuple(environ)):
        return False
    return environ.get(PEER_UID_KEY) is not None or _is_loopback(environ.get("REMOTE_ADDR") or "")


@lru_cache(maxsize=256)
def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # A server on `::` sees 127.0.0.1 as ::ffff:127.0.0.1, which `is_loopback` recognizes only since Python 3.13.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
