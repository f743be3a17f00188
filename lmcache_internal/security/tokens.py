"""Bearer tokens: a file of names, levels and salted hashes, read again when it changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from ..errors import ConfigError
from ..roles import Role

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "LMCACHE_INTERNAL_API_SERVER_TOKEN"  # noqa: S105  # The name of a variable.
TOKEN_FILE_VARIABLE = "LMCACHE_INTERNAL_API_SERVER_TOKEN_FILE"  # noqa: S105


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the token file.

    Attributes:
        name: who holds it, for the audit log.
        level: what the holder may do.
        salt: hexadecimal, its own for each token.
        hash: SHA-256 of salt and token, hexadecimal. Tokens are 256 random bits, so that
            nothing slower is needed against guessing.
    """

    name: str
    level: str
    salt: str
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

    def matches(self, token: str) -> bool:
        """Whether `token` is this one, in a time that does not tell how nearly."""
        return hmac.compare_digest(self.hash, _hash(self.salt, token))


class TokenFile(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    tokens: list[Token]


def new_token(name: str, level: Role) -> tuple[str, Token]:
    """Make a token: the text to hand out, and the entry to keep."""
    text, salt = f"lmci_{secrets.token_urlsafe(32)}", secrets.token_hex(16)
    return text, Token(name, str(level), salt, _hash(salt, text))


def read_token_file(path: Path) -> list[Token]:
    """Read and check a token file.

    Raises:
        ConfigError: it is missing, no such YAML, or others than its owner may read it.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            status = os.fstat(stream.fileno())  # Of what is read, whatever the path names by now.
            content = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the token file {path}: {error}") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"The token file {path} is open to others; chmod 600 it")
    try:
        tokens = msgspec.convert(yaml.safe_load(content) or {"tokens": []}, TokenFile).tokens
        for token in tokens:
            Role.named(token.level)
    except Exception as error:  # PyYAML raises all sorts, as KeyError for `!!bool x`.
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"The token file {path} is not as expected: {reason}") from error
    return tokens


@contextlib.contextmanager
def editing(path: Path, create: bool = False) -> Iterator[None]:
    """Keep other processes that edit the token file waiting, from reading it until it is replaced.

    Args:
        path: the token file.
        create: make it, empty, where there is none yet.

    Raises:
        ConfigError: it cannot be opened.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise ConfigError(f"Cannot read the token file {path}: {error}") from error
        with os.fdopen(descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who held it may have put another file in its place.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                yield
                return


def write_token_file(path: Path, tokens: list[Token]) -> None:
    """Replace a token file, whole or not at all, readable by its owner alone."""
    path = path.resolve()  # A link stays one: servers may know the file by its own name.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if path.exists():
            # Written by root, the server's own file must stay readable to it, or nothing is revoked there.
            os.fchown(descriptor, path.stat().st_uid, -1)
        yaml.safe_dump(msgspec.to_builtins(TokenFile(tokens)), stream, sort_keys=False)
    os.replace(unfinished, path)


class TokenStore:
    """The tokens that are valid now.

    Args:
        path: the token file, or None.
        environ: holds the admin's single token, or the name of a file with it.

    Attributes:
        in_use: whether tokens are configured at all: position then proves nothing any more.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        single = _single_token(environ)
        self.in_use = path is not None or single is not None
        self._path = path
        self._fixed: list[Token] = [single] if single else []
        self._read: list[Token] = []
        self._verifiers: list[tuple[Callable[[str], bool], Token]] = []
        self._seen: Any = None
        self._lock = threading.Lock()
        self._refresh()

    def find(self, text: str) -> Token | None:
        """The entry of a token; all of them are compared, whichever matches."""
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

    def _refresh(self) -> None:
        """Read the file if it changed; a broken edit leaves the last good tokens valid."""
        if self._path is None:
            return
        with self._lock:
            try:
                status = self._path.stat()
                seen: Any = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
            except OSError as error:
                seen = str(error)
            if seen == self._seen:
                return
            self._seen = seen
            try:
                self._read = read_token_file(self._path)
                logger.info("Read %d tokens from %s", len(self._read), self._path)
            except ConfigError as error:
                logger.error("%s; the %d tokens read before stay valid", error, len(self._read))


def _single_token(environ: Mapping[str, str]) -> Token | None:
    text = environ.get(TOKEN_VARIABLE)
    path = environ.get(TOKEN_FILE_VARIABLE)
    if not text and path:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read the token in {TOKEN_FILE_VARIABLE}={path}: {error}") from error
        if not text:
            raise ConfigError(f"{TOKEN_FILE_VARIABLE}={path} is empty")
    if not text:
        return None
    salt = secrets.token_hex(16)
    return Token("environment", str(Role.ADMIN), salt, _hash(salt, text))


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}{token}".encode("utf-8", "surrogatepass")).hexdigest()
