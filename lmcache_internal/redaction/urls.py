"""The secret parts of URLs in a text: user info, and the values of the query and the fragment."""

from __future__ import annotations

import re

MASK = "***"

_SCHEME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
# Their paths may hold an `@`. Other URLs are addresses of services, whose passwords people write as they are.
_WITH_PATHS = frozenset({"file", "fs", "ftp", "git", "gs", "http", "https", "s3", "ws", "wss"})
_TELLING = re.compile(r"[@:=]")
_BLANK = re.compile(r"\s+")
_END_OF_AUTHORITY = re.compile(r"[/?#;\\]")
_HOST = re.compile(r"(?:\[[^\[\]@]*\]|[^:@\[\]]*)(?::[\d*]{0,5})?")
_VALUE = re.compile(r"([?&;#][^=&;#?]*=)[^&;#]+")
_QUOTE = re.compile(r"[\"'<>]")
_PUNCTUATION = tuple(".,:;!?'\"`)]}<>")


def mask_urls(text: str) -> str:
    """`text` with the secret parts of its URLs masked; one pass, however long it is."""
    first, *others = text.split("://")
    parts, before = [first], first
    for number, part in enumerate(others, 1):
        # What stands before the next `://` is its scheme, and no part of this URL.
        own = part if number == len(others) else part.rstrip(_SCHEME)
        parts.append(_mask(_scheme_at_end(before), own) + part[len(own) :])
        before = part
    return "://".join(parts)


def _scheme_at_end(text: str) -> str:
    return text[len(text.rstrip(_SCHEME)) :].lower().rpartition("+")[2]  # `git+https`


def _mask(scheme: str, rest: str) -> str:
    """Mask what follows a `://`."""
    if not _TELLING.search(rest):
        return rest
    start = _end_of_user_info(scheme, rest)
    blank = _BLANK.search(rest, start)
    end = blank.start() if blank else len(rest)
    return (MASK if start else "") + _VALUE.sub(rf"\1{MASK}", rest[start:end]) + rest[end:]


def _end_of_user_info(scheme: str, rest: str) -> int:
    """Where the `@` after the user info stands, or the end of what may be one; 0 where there is none.

    By the standard, user info holds no `/`, `?`, `#` or blank. But a password that does is written into a URL all
    the same, and is in the error that says so.
    """
    blank = _BLANK.search(rest)
    url = rest[: blank.start()] if blank else rest
    end = _END_OF_AUTHORITY.search(url)
    authority = url[: end.start()] if end else url
    last = url.rfind("@")
    if not _is_host(authority):
        is_whole = last >= 0 and _is_host(authority.rpartition("@")[2])
        return max(last, _after_one_blank(rest, url, blank)) if is_whole else _beyond_blanks(authority, rest)
    if last >= 0 and scheme not in _WITH_PATHS:
        return last
    return 0 if end or url.endswith(_PUNCTUATION) else max(0, _after_one_blank(rest, url, blank))


def _is_host(authority: str) -> bool:
    """Whether there is nothing but hosts and their ports: `host`, `host:6379`, `[::1]:6379`, `a:1,b:2`."""
    hosts = authority.rstrip("".join(_PUNCTUATION)) if not authority.endswith("]") else authority
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


def _beyond_blanks(authority: str, rest: str) -> int:
    """The same where the `@` stands after blanks, or is missing: `user:two more words@host`, `user:password`."""
    last = rest.rfind("@")
    if last >= 0:
        return last
    shown = _QUOTE.split(authority, maxsplit=1)[0]
    is_pattern = "port" in shown.lower()  # `redis://<host>:<port>`
    return 0 if is_pattern or _is_host(shown) else len(shown)


def _after_one_blank(rest: str, url: str, blank: re.Match[str] | None) -> int:
    """The same where a single word follows the blank before its `@`: `12 34@host`; -1 where none does."""
    if blank is None or url.endswith(_PUNCTUATION):
        return -1
    following = _BLANK.search(rest, blank.end())
    return rest.rfind("@", blank.end(), following.start() if following else len(rest))
