"""The text of one bearer token: from a variable or a file, and checked before it is used."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ConfigError

# What an Authorization header carries unchanged: printable ASCII without blanks.
_TOKEN = re.compile(r"[!-~]+")


def checked_token(text: str, source: str) -> str:
    """Return `text`, if it can be sent as a token.

    Args:
        text: the token.
        source: where it comes from, for the message, which never quotes the token.

    Raises:
        ConfigError: it has blanks, control characters or characters outside ASCII, or is a file of hashes.
    """
    if holds_hashes(text):
        raise ConfigError(
            f"{source} holds the hashes of a tokens file, not a token; the server reads it, as "
            "extra_config.internal_api_server_tokens_file"
        )
    if not _TOKEN.fullmatch(text):
        raise ConfigError(
            f"{source} holds no token: a token is one word of printable ASCII characters; "
            "make one with `lmcache-internal token new`"
        )
    return text


def token_in(path: str | Path, source: str) -> str:
    """The token that a file holds, alone.

    Raises:
        ConfigError: it cannot be read, is empty, or holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"Cannot read the token in {source}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{source} holds no token: it is no text") from None
    if not text:
        raise ConfigError(f"{source} is empty; it must hold the token alone")
    return checked_token(text, source)


def holds_hashes(text: str) -> bool:
    """Whether `text` is that of a tokens file, which holds names, roles and hashes."""
    return any(line.startswith("tokens:") for line in text.splitlines())


def holds_a_token(text: str) -> bool:
    """Whether `text` is one word, which may be a token and is no tokens file."""
    word = text.strip()
    return _TOKEN.fullmatch(word) is not None and ":" not in word and not word.startswith(("[", "{"))
