"""The bearer tokens that a server accepts: those of its tokens file, which is reloaded on change, and a single one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..redaction.log_lines import get_logger
from ..roles import Role
from ..system.file_trust import tampering_risk
from .bearer import checked_token, token_in
from .token import Token
from .token_file import TokensFileError, read_tokens_file

logger = get_logger(__name__)

TOKEN_VARIABLE = "LMCACHE_INTERNAL_API_SERVER_TOKEN"  # noqa: S105  # The name of a variable.
TOKEN_FILE_VARIABLE = "LMCACHE_INTERNAL_API_SERVER_TOKEN_FILE"  # noqa: S105


class TokenStore:
    """The valid tokens.

    Args:
        path: the tokens file, or None.
        environ: the environment variables, which may contain a single token with role admin, or the name of its file.
        strict: refuse a tokens file that other users may read.

    Attributes:
        in_use: whether tokens are configured. If so, the connection alone gives no role above public.

    Raises:
        ConfigError: the single token cannot be read or used.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], strict: bool) -> None:
        single = _single_token(environ)
        self.in_use = path is not None or single is not None
        self._path = path
        self._strict = strict
        self._fixed: list[Token] = [single] if single else []
        self._read: list[Token] = []
        self._verifiers: list[tuple[Callable[[str], bool], Token]] = []
        self._problem: str | None = None
        self._seen: Any = None
        self._lock = threading.Lock()
        self._refresh()

    def find(self, text: str) -> Token | None:
        """Return the entry of a token, or None. Every entry is compared, so that the time does not depend on it."""
        self._refresh()
        matching = [token for token in (*self._fixed, *self._read) if token.matches(text)]
        matching += [token for verify, token in self._verifiers if verify(text)]
        return matching[0] if matching else None

    def accept(self, verify: Callable[[str], bool], name: str) -> None:
        """Also accept what another verifier accepts, with the role admin: the API keys of LMCache.

        Args:
            verify: returns whether a token is valid, in a time that does not depend on how nearly.
            name: the name of the holders, for the audit log.
        """
        self.in_use = True
        self._verifiers.append((verify, Token(name, str(Role.ADMIN), "", "")))

    @property
    def problem(self) -> str | None:
        """Why the current tokens file cannot be used, without its path or content; None if it can be used."""
        self._refresh()
        return self._problem

    def _refresh(self) -> None:
        """Read the file if it changed. If it cannot be used, the tokens read before stay valid."""
        if self._path is None:
            return
        with self._lock:
            try:
                status = self._path.stat()
                seen: Any = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode, status.st_uid)
            except OSError as error:
                seen = str(error)
            if seen == self._seen:
                return
            self._seen = seen
            try:
                self._read = read_tokens_file(self._path, self._strict)
                self._problem = None
                logger.info("Read %d tokens from %s", len(self._read), self._path)
            except TokensFileError as error:
                self._problem = error.reason
                logger.error("%s; the %d tokens read before stay valid", error, len(self._read))


def _single_token(environ: Mapping[str, str]) -> Token | None:
    text = environ.get(TOKEN_VARIABLE)
    path = environ.get(TOKEN_FILE_VARIABLE)
    if text:
        return Token.of("environment", Role.ADMIN, checked_token(text, TOKEN_VARIABLE))
    if not path:
        return None
    source = f"{TOKEN_FILE_VARIABLE}={path}"
    token = Token.of("environment", Role.ADMIN, token_in(path, source))
    risk = tampering_risk(Path(path), Path(path).stat())
    if risk is not None:
        raise ConfigError(f"{source} cannot be used: {risk}; run `chmod go-w` on it and its directory")
    return token
