"""Which names stand for secrets: `hf_token` does, `max_tokens` counts something, `token_file` does not."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise


class Secrecy(IntEnum):
    """What a name says of the values under it; of two that apply, the greater counts.

    Open: nothing. Counted: numbers are none (`max_tokens: 512`, `sort_by_key: 3`), all else is. Secret: all of it is.
    """

    OPEN = 0
    COUNTED = 1
    SECRET = 2


_SECRET_WORDS = frozenset(
    {
        *("auth", "authorization", "bearer", "cookie", "cookies", "cred", "credential", "credentials", "creds", "dsn"),
        *("jwt", "otp", "pass", "passcode", "passphrase", "passwd", "password", "passwords", "pat", "pw", "pwd"),
        *("sas", "secret", "secrets", "signature", "token", "tokens", "webhook", "webhooks"),
    }
)
# Without a separator: `userpasswordhash`, `PGPASSWORD`, `authtoken`, `dbpass`.
_FUSED = ("apikey", "connectionstring", "connstr", "credential", "passphrase", "passwd", "password")
_FUSED_ENDINGS = ("auth", "cookie", "cookies", "creds", "jwt", "pass", "pwd", "pw", "secret", "secrets", "token")
_ENGLISH = frozenset({"bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass"})

# `api_key`, `accesskey`, `ssh.key`, `signing_keys`.
_KEY_OWNERS = frozenset(
    {
        *("access", "account", "api", "auth", "client", "database", "db", "decryption", "encryption", "fernet"),
        *("license", "master", "pass", "priv", "private", "secret", "service", "session", "shared", "signing", "ssh"),
    }
)
# Any other `…_key` may be one, unless it is known to name an entry: `cache_key`, `public_key`, `layer_0_key`.
_ENTRIES = frozenset(
    {
        *("attn", "block", "by", "cache", "chunk", "config", "dict", "end", "engine", "entry", "failed", "first"),
        *("foreign", "group", "hash", "index", "invalid", "item", "json", "kv", "label", "last", "layer", "lookup"),
        *("map", "max", "memory", "metric", "min", "missing", "next", "num", "object", "per", "prefix", "prev"),
        *("primary", "public", "row", "sort", "start", "tag", "unique", "unknown"),
    }
)
_PAIRS = frozenset({("connection", "string"), ("conn", "string"), ("conn", "str")})

# `num_token`, `bytes_per_token`, `pad_token_id`.
_COUNTING = frozenset({"id", "ids", "max", "min", "num", "number", "per"})
# The name speaks of a secret, and the value is none.
_HARMLESS_ENDINGS = frozenset(
    {
        *("bucket", "budget", "count", "database", "dir", "enabled", "file", "host", "interval", "len", "length"),
        *("limit", "method", "mode", "name", "path", "port", "required", "size", "sock", "socket", "timeout", "ttl"),
        *("type", "version"),
    }
)
_WORKING_DIRECTORIES = frozenset({"PWD", "OLDPWD"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST_KEPT = 100


def secrecy_of(name: str, within: Secrecy = Secrecy.OPEN) -> Secrecy:
    """What `name` says of its values.

    Args:
        name: of a key, variable, header or argument, in any style: `hf_token`, `apiKey`, `X-Api-Key`.
        within: what the names around it say.
    """
    # The same few names come again and again; a long one is not worth the memory.
    return (_known if len(name) <= _LONGEST_KEPT else _judge)(name, within)


def _judge(name: str, within: Secrecy) -> Secrecy:
    words = [word.lower() for word in _WORD.findall(name)]
    own = Secrecy.OPEN if name in _WORKING_DIRECTORIES or not words else _own_secrecy(name, words)
    if words and words[-1] in _HARMLESS_ENDINGS and (own or not within):
        return Secrecy.OPEN  # But not `{"passwords": {"host": …}}`, where the key says whose it is.
    return max(own, within)


def _own_secrecy(name: str, words: list[str]) -> Secrecy:
    found = {word for word in words if _is_secret(word)}
    if _has_secret_key(words) or any(pair in _PAIRS for pair in pairwise(words)):
        return Secrecy.SECRET
    counted = "tokens" in found or ("token" in found and not _COUNTING.isdisjoint(words))
    if found and not (counted and found <= {"token", "tokens"}):
        return Secrecy.SECRET
    return Secrecy.COUNTED if found or _may_be_secret_key(name, words) else Secrecy.OPEN


_known = lru_cache(maxsize=1024)(_judge)


def _is_secret(word: str) -> bool:
    if word in _SECRET_WORDS or any(part in word for part in _FUSED):
        return True
    return word.endswith(_FUSED_ENDINGS) and word not in _ENGLISH


def _has_secret_key(words: list[str]) -> bool:
    if any(word.endswith(("key", "keys")) and word.rpartition("key")[0] in _KEY_OWNERS for word in words):
        return True
    return any(word in ("key", "keys") and owner in _KEY_OWNERS for owner, word in pairwise(words))


def _may_be_secret_key(name: str, words: list[str]) -> bool:
    # `event.key` is an attribute: its owner says what it belongs to, not what kind of key it is.
    qualified = len(words) > 1 and words[-1] == "key" and not name[:-3].endswith(".")
    return qualified and not words[-2].isdigit() and words[-2] not in _ENTRIES
