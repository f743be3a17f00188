"""Decide whether a name is that of a secret: `hf_token` is, `max_tokens` is a count, `token_file` is not."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise


class Secrecy(IntEnum):
    """The secrecy of the values under a name. If two apply, the greater one counts.

    Attributes:
        OPEN: the values are not secret.
        COUNTED: numbers are not secret (`max_tokens: 512`); all other values are.
        SECRET: all values are secret.
    """

    OPEN = 0
    COUNTED = 1
    SECRET = 2


_SECRET_WORDS = frozenset(
    {
        *("auth", "authorization", "bearer", "cookie", "cookies", "cred", "credential", "credentials", "creds", "dsn"),
        *("jwt", "passcode", "passphrase", "passwd", "password", "passwords", "pwd", "secret", "secrets", "signature"),
        *("token", "tokens", "webhook", "webhooks"),
    }
)
# Elsewhere in a name, these words have another meaning: `pass_config`.
_SECRET_LAST_WORDS = frozenset({"otp", "pass", "pat", "psk", "pw", "sas"})
# Parts of words, for names without separators: `userpasswordhash`, `PGPASSWORD`, `authtoken`, `dbpass`.
_FUSED = ("apikey", "connectionstring", "connstr", "contrase", "credential", "passphrase", "passwd", "password")
_FUSED_ENDINGS = ("auth", "cookie", "cookies", "creds", "jwt", "pass", "pwd", "pw", "secret", "secrets", "token")
_ENGLISH = frozenset({"bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass"})

# Words that make a following `key` secret: `api_key`, `accesskey`, `ssh.key`, `signing_keys`.
_KEY_OWNERS = frozenset(
    {
        *("access", "account", "aes", "api", "auth", "azure", "client", "consumer", "database", "db", "decryption"),
        *("deploy", "encryption", "fernet", "hmac", "license", "master", "pass", "preshared", "priv", "private"),
        *("root", "rsa", "secret", "service", "session", "shared", "sharedaccess", "signing", "ssh", "ssl"),
        *("storage", "subscription", "tls", "unseal", "vault"),
    }
)
# In the name of a variable, every other word before `_KEY` may also belong to a secret. In other names, most keys are
# those of caches and dictionaries.
_ENTRIES = frozenset({"cache", "chunk", "foreign", "index", "kv", "primary", "public", "sort"})
_PAIRS = frozenset(
    {
        ("connection", "string"),
        ("conn", "string"),
        ("conn", "str"),
        ("pass", "code"),
        ("pass", "phrase"),
        ("pass", "word"),
    }
)

# With these words, `token` means a token of a language model: `num_token`, `bytes_per_token`, `pad_token_id`.
_COUNTING = frozenset(
    {
        *("audio", "bos", "decode", "draft", "end", "eos", "first", "hit", "id", "ids", "idx", "image", "index"),
        *("input", "inter", "last", "latency", "max", "min", "next", "num", "number", "offset", "output", "pad", "per"),
        *("prefill", "prompt", "rate", "start", "stop", "threshold", "throughput", "time", "video"),
    }
)
# A name that ends in one of these words describes a secret, but its value is not the secret: `token_file`.
_HARMLESS_ENDINGS = frozenset(
    {
        *("bucket", "budget", "count", "database", "dir", "enabled", "error", "errors", "exception", "file", "host"),
        *("interval", "json", "len", "length", "limit", "log", "method", "mode", "name", "path", "port", "py"),
        *("required", "size", "sock", "socket", "status", "timeout", "toml", "ttl", "type", "version", "warning"),
        *("yaml", "yml"),
    }
)
_WORKING_DIRECTORIES = frozenset({"PWD", "OLDPWD"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST_KEPT = 100


def secrecy_of(name: str, within: Secrecy = Secrecy.OPEN) -> Secrecy:
    """Return the secrecy of the values under `name`.

    Args:
        name: the name of a key, variable, header or argument, in any style: `hf_token`, `apiKey`, `X-Api-Key`.
        within: the secrecy of the enclosing name.
    """
    # Cache the results, because the same few names recur; except for long names, which would need much memory.
    return (_known if len(name) <= _LONGEST_KEPT else _judge)(name, within)


def _judge(name: str, within: Secrecy) -> Secrecy:
    words = [word.lower() for word in _WORD.findall(name)]
    own = Secrecy.OPEN if name in _WORKING_DIRECTORIES or not words else _own_secrecy(name, words)
    if words and words[-1] in _HARMLESS_ENDINGS and (own or not within):
        return Secrecy.OPEN  # Not for `host` in `{"passwords": {"host": …}}`, where the key names the owner.
    return max(own, within)


def _own_secrecy(name: str, words: list[str]) -> Secrecy:
    if _has_secret_key(words) or any(pair in _PAIRS for pair in pairwise(words)):
        return Secrecy.SECRET
    found = {word for word in words if _is_secret(word)}
    found |= {word for word in [word for word in words if not word.isdigit()][-1:] if word in _SECRET_LAST_WORDS}
    counted = "tokens" in found or ("token" in found and not _COUNTING.isdisjoint(words))
    if found and not (counted and found <= {"token", "tokens"}):
        return Secrecy.SECRET
    return Secrecy.COUNTED if found or _may_be_secret_key(name, words) else Secrecy.OPEN


_known = lru_cache(maxsize=1024)(_judge)


def _is_secret(word: str) -> bool:
    if word in _SECRET_WORDS or any(part in word for part in _FUSED):
        return True
    return word.endswith(_FUSED_ENDINGS) and word not in _ENGLISH and word not in _SECRET_LAST_WORDS


def _has_secret_key(words: list[str]) -> bool:
    if any(word.endswith(("key", "keys")) and word.rpartition("key")[0] in _KEY_OWNERS for word in words):
        return True
    return any(word in ("key", "keys") and owner in _KEY_OWNERS for owner, word in pairwise(words))


def _may_be_secret_key(name: str, words: list[str]) -> bool:
    return name.isupper() and len(words) > 1 and words[-1] == "key" and words[-2] not in _ENTRIES
