"""Read, check and replace the tokens file, which contains names, roles and salted hashes in YAML."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ..errors import ConfigError
from ..redaction.log_lines import get_logger
from ..roles import Role
from ..system.file_trust import tampering_risk
from .bearer import holds_a_token
from .token import Token

logger = get_logger(__name__)


class TokensFileError(ConfigError):
    """A tokens file cannot be used. The message contains its path.

    Attributes:
        reason: the reason without the path and without content of the file, so that any client may see it.
    """

    def __init__(self, path: Path, reason: str, advice: str = "") -> None:
        super().__init__(f"The tokens file {path} cannot be used: {reason}{advice and '; '}{advice}")
        self.reason = reason


class TokenFile(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    tokens: list[Token]


def read_tokens_file(path: Path, strict: bool = False, any_owner: bool = False) -> list[Token]:
    """Read and check a tokens file.

    Args:
        path: the file.
        strict: refuse a file that other users may read, too.
        any_owner: accept a file of any user, to edit it.

    Raises:
        TokensFileError: the file is missing, is not a tokens file, or users other than root and the user of this
            process may change it.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            status = os.fstat(stream.fileno())  # The open file, because the path may name another file by now.
            content = stream.read()
        risk = tampering_risk(path, status, {status.st_uid} if any_owner else ())
    except OSError as error:
        raise TokensFileError(path, str(error.strerror)) from error
    except UnicodeDecodeError:
        raise TokensFileError(path, "it is not UTF-8 text") from None
    if risk is not None:
        advice = "root or the user of the server must own it; run `chmod go-w` on it and its directory"
        raise TokensFileError(path, risk, advice)
    _check_readers(path, status.st_mode, strict)
    return _parsed(path, content)


def _check_readers(path: Path, mode: int, strict: bool) -> None:
    if strict and mode & (stat.S_IRWXG | stat.S_IRWXO):
        reason = f"other users may read it (mode {stat.S_IMODE(mode):04o})"
        raise TokensFileError(
            path, reason, "run `chmod 600` on it, or unset extra_config.internal_api_server_tokens_file_strict"
        )
    if mode & stat.S_IROTH:
        logger.warning(
            "All users of this machine may read the tokens file %s (mode %04o). Its hashes do not reveal the tokens, "
            "but run `chmod o-r` on it, or set `defaultMode: 0440` in the Secret volume",
            path,
            stat.S_IMODE(mode),
        )


def _parsed(path: Path, content: str) -> list[Token]:
    """Return the entries. No message quotes the content, because a wrong file may contain a secret."""
    if holds_a_token(content):
        raise TokensFileError(
            path,
            "it contains a token, not the hashes of tokens",
            "create it with `lmcache-internal token new --file`; a file with only a token is for --bearer-token-file",
        )
    try:
        tokens = msgspec.convert(yaml.safe_load(content) or {"tokens": []}, TokenFile).tokens
        for token in tokens:
            Role.named(token.role)
    except Exception as error:  # PyYAML also raises undocumented types, such as KeyError for `!!bool x`.
        raise TokensFileError(path, f"its format is wrong{_position(error)}", _ADVICE) from None
    return tokens


_ADVICE = "create it with `lmcache-internal token new --file`"


def _position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f": not valid YAML, line {mark.line + 1}"
    _, found, position = str(error).rpartition(" - at `")
    return f": {type(error).__name__} at `{position}" if found else f": {type(error).__name__}"


@contextlib.contextmanager
def editing(path: Path, create: bool = False) -> Iterator[None]:
    """Lock the tokens file, so that only one process at a time reads, changes and replaces it.

    Args:
        path: the tokens file.
        create: create an empty file if there is none.

    Raises:
        ConfigError: the file cannot be opened, or this system has no file locks.
    """
    try:
        import fcntl  # Windows does not have it, and imports this module for the command line.
    except ImportError:
        raise TokensFileError(path, "this system has no file locks", "run the command where the server runs") from None
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise TokensFileError(path, str(error.strerror)) from error
        with os.fdopen(descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The previous holder of the lock may have replaced the file.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                yield
                return


def write_tokens_file(path: Path, tokens: list[Token]) -> None:
    """Replace a tokens file atomically.

    Only its owner may read a new file. An existing file keeps its owner, its group and their right to read.
    """
    path = path.resolve()  # Keep a link, because servers may use the path of its target.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if path.exists():
            # The server must still be able to read the file as its owner or group; otherwise it revokes nothing.
            status = path.stat()
            os.fchown(descriptor, status.st_uid, status.st_gid if status.st_mode & stat.S_IRGRP else -1)
            os.fchmod(descriptor, 0o600 | status.st_mode & 0o044)
        content: Any = msgspec.to_builtins(TokenFile(tokens))
        yaml.safe_dump(content, stream, sort_keys=False)
    os.replace(unfinished, path)
