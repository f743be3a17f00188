"""The tokens file: names, roles and salted hashes in YAML. Read, checked, and replaced as a whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ..errors import ConfigError
from ..log_lines import get_logger
from ..roles import Role
from ..system.file_trust import tampering_risk
from .bearer import holds_a_token
from .token import Token

logger = get_logger(__name__)


class TokensFileError(ConfigError):
    """A tokens file cannot be used; the message names it.

    Attributes:
        reason: the same without its path or content, for everybody.
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
        strict: refuse it also where others may read it.
        any_owner: its owner may be another user, whose file is edited.

    Raises:
        TokensFileError: it is missing, no tokens file, or users other than root and our own may change it.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            status = os.fstat(stream.fileno())  # Of what is read, whatever the path names by now.
            content = stream.read()
        risk = tampering_risk(path, status, {status.st_uid} if any_owner else ())
    except OSError as error:
        raise TokensFileError(path, str(error.strerror)) from error
    except UnicodeDecodeError:
        raise TokensFileError(path, "it is no text") from None
    if risk is not None:
        raise TokensFileError(path, risk, "give it to root or the server's user, and `chmod go-w` it and its directory")
    _check_readers(path, status.st_mode, strict)
    return _parsed(path, content)


def _check_readers(path: Path, mode: int, strict: bool) -> None:
    if strict and mode & (stat.S_IRWXG | stat.S_IRWXO):
        reason = f"other users may read it (mode {stat.S_IMODE(mode):04o})"
        raise TokensFileError(
            path, reason, "`chmod 600` it, or take extra_config.internal_api_server_tokens_file_strict back"
        )
    if mode & stat.S_IROTH:
        logger.warning(
            "All users of this machine may read the tokens file %s (mode %04o); its hashes give no token away, but "
            "`chmod o-r` it, or set `defaultMode: 0440` of the Secret",
            path,
            stat.S_IMODE(mode),
        )


def _parsed(path: Path, content: str) -> list[Token]:
    """The entries of the file. Its content is in no message, as a file of another kind may hold a secret."""
    if holds_a_token(content):
        raise TokensFileError(
            path,
            "it holds a token, not the hashes of tokens",
            "make it with `lmcache-internal token new --file`; a token alone is for --bearer-token-file",
        )
    try:
        tokens = msgspec.convert(yaml.safe_load(content) or {"tokens": []}, TokenFile).tokens
        for token in tokens:
            Role.named(token.level)
    except Exception as error:  # PyYAML raises all sorts, as KeyError for `!!bool x`.
        raise TokensFileError(path, f"it is not as expected{_place(error)}", _ADVICE) from None
    return tokens


_ADVICE = "it must hold what `lmcache-internal token new --file` writes"


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f": no YAML, line {mark.line + 1}"
    _, found, place = str(error).rpartition(" - at `")
    return f": {type(error).__name__} at `{place}" if found else f": {type(error).__name__}"


@contextlib.contextmanager
def editing(path: Path, create: bool = False) -> Iterator[None]:
    """Keep other processes that edit the tokens file waiting, from reading it until it is replaced.

    Args:
        path: the tokens file.
        create: make it, empty, where there is none yet.

    Raises:
        ConfigError: it cannot be opened.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise TokensFileError(path, str(error.strerror)) from error
        with os.fdopen(descriptor):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who held it may have put another file in its place.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                yield
                return


def write_tokens_file(path: Path, tokens: list[Token]) -> None:
    """Replace a tokens file, whole or not at all: a new one for its owner alone, an existing one with its readers."""
    path = path.resolve()  # A link stays one: servers may know the file by its own name.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if path.exists():
            # The server must stay able to read it, by its owner or its group, or nothing is revoked there.
            status = path.stat()
            os.fchown(descriptor, status.st_uid, status.st_gid if status.st_mode & stat.S_IRGRP else -1)
            os.fchmod(descriptor, 0o600 | status.st_mode & 0o044)
        content: Any = msgspec.to_builtins(TokenFile(tokens))
        yaml.safe_dump(content, stream, sort_keys=False)
    os.replace(unfinished, path)
