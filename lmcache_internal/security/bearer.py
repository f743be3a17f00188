"""Read and check the text of one bearer token, from an environment variable or a file."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ConfigError

# An Authorization header can carry printable ASCII characters without whitespace unchanged.
_TOKEN = re.compile(r"[!-~]+")


def checked_token(text: str, source: str) -> str:
    """Return `text` if it can be sent as a token.

    Args:
        text: the token.
        source: the origin of the token, for the error message. The message never quotes the token.

    Raises:
        ConfigError: it has whitespace, control characters or characters outside ASCII, or it is a tokens file.
    """
    if holds_hashes(text):
        raise ConfigError(
            f"{source} contains the hashes of a tokens file, not a token; set the tokens file for the server, with "
            "extra_config.internal_api_server_tokens_file"
        )
    if not _TOKEN.fullmatch(text):
        raise ConfigError(
            f"{source} does not contain a token: a token is one word of printable ASCII characters; "
            "create one with `lmcache-internal token new`"
        )
    return text


def token_in(path: str | Path, source: str) -> str:
    """Return the token in a file that contains nothing else.

    Args:
        path: the file.
        source: the origin of the token, for the error message.

    Raises:
        ConfigError: the file cannot be read, is empty, or contains something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"Cannot read the token in {source}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{source} does not contain a token: it is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{source} is empty; it must contain only the token")
    return checked_token(text, source)


def holds_hashes(text: str) -> bool:
    """Return whether `text` is a tokens file, which contains names, roles and hashes."""
    return any(line.startswith("tokens:") for line in text.splitlines())


def holds_a_token(text: str) -> bool:
    """Return whether `text` is a single word that may be a token and is not a tokens file."""
    word = text.strip()
    return _TOKEN.fullmatch(word) is not None and ":" not in word and not word.startswith(("[", "{"))
