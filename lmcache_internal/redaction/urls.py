"""Mask the secret parts of URLs in a text: user info, and the values of the query and the fragment."""

from __future__ import annotations

import re

MASK = "***"

_SCHEME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
# The paths of these URLs may contain an `@`. Other URLs are addresses of services, often with unquoted passwords.
_WITH_PATHS = frozenset({"file", "fs", "ftp", "git", "gs", "http", "https", "s3", "ws", "wss"})
_MAY_BE_SECRET = re.compile(r"[@:=]")
_BLANK = re.compile(r"\s+")
_END_OF_AUTHORITY = re.compile(r"[/?#;\\]")
_HOST = re.compile(r"(?:\[[^\[\]@]*\]|[^:@\[\]]*)(?::[\d*]{0,5})?")
_VALUE = re.compile(r"([?&;#][^=&;#?]*=)[^&;#]+")
_QUOTE = re.compile(r"[\"'<>]")
_PUNCTUATION = tuple(".,:;!?'\"`)]}<>")


def mask_urls(text: str) -> str:
    """Return `text` with the secret parts of its URLs masked, in one pass."""
    first, *others = text.split("://")
    parts, before = [first], first
    for number, part in enumerate(others, 1):
        # The characters before the next `://` are its scheme and do not belong to this URL.
        own = part if number == len(others) else part.rstrip(_SCHEME)
        parts.append(_mask(_scheme_at_end(before), own) + part[len(own) :])
        before = part
    return "://".join(parts)


def _scheme_at_end(text: str) -> str:
    return text[len(text.rstrip(_SCHEME)) :].lower().rpartition("+")[2]  # `git+https`


def _mask(scheme: str, rest: str) -> str:
    """Mask the text after a `://`."""
    if not _MAY_BE_SECRET.search(rest):
        return rest
    start = _end_of_user_info(scheme, rest)
    blank = _BLANK.search(rest, start)
    end = blank.start() if blank else len(rest)
    return (MASK if start else "") + _VALUE.sub(rf"\1{MASK}", rest[start:end]) + rest[end:]


def _end_of_user_info(scheme: str, rest: str) -> int:
    """Return the position of the `@` after the user info, or the end of possible user info; 0 if there is none.

    The standard does not allow `/`, `?`, `#` or whitespace in user info. But people write such passwords into URLs,
    and the errors about these URLs contain them.
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
    """Return whether `authority` is only hosts and ports: `host`, `host:6379`, `[::1]:6379`, `a:1,b:2`."""
    hosts = authority.rstrip("".join(_PUNCTUATION)) if not authority.endswith("]") else authority
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


def _beyond_blanks(authority: str, rest: str) -> int:
    """Return that position if the `@` is after whitespace or missing: `user:two more words@host`, `user:password`."""
    last = rest.rfind("@")
    if last >= 0:
        return last
    shown = _QUOTE.split(authority, maxsplit=1)[0]
    is_pattern = "port" in shown.lower()  # `redis://<host>:<port>`
    return 0 if is_pattern or _is_host(shown) else len(shown)


def _after_one_blank(rest: str, url: str, blank: re.Match[str] | None) -> int:
    """Return that position if one word is between the whitespace and the `@` (`12 34@host`); otherwise -1."""
    if blank is None or url.endswith(_PUNCTUATION):
        return -1
    following = _BLANK.search(rest, blank.end())
    return rest.rfind("@", blank.end(), following.start() if following else len(rest))
