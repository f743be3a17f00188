"""Whether a function's time grows with the length of a text, and no faster."""

from __future__ import annotations

import time
from collections.abc import Callable

LENGTH = 65_536

ALPHABETS = {
    "question marks": "?",
    "letters": "a",
    "capitals": "A",
    "digits": "7",
    "equals signs": "=",
    "colons": ":",
    "slashes": "://",
    "at signs": "@",
    "pairs": "&a=",
    "quotes": '"',
    "apostrophes": "'",
    "braces": "{",
    "brackets": "[",
    "backslashes": "\\",
    "escaped quotes": '\\"',
    "blanks": " ",
    "newlines": "\n",
    "dashes": "-",
    "dots": ".",
    "commas": ",",
    "semicolons": ";",
    "percents": "%41",
    "bearers": "bearer ",
    "secrets": "token=",
    "secrets in quotes": "password: '",
    "secrets in braces": "auth={",
    "headers": "Cookie: a=b; ",
    "options": "--api-key ",
    "URLs": "redis://u:",
    "user info": "http://a:b@",
    "keys": "-----BEGIN PRIVATE KEY",
    "known tokens": "sk-",
    "web tokens": "eyJaaaaaaaa.",
    "umlauts": "ä",
    "emoji": "\N{PILE OF POO}",
    "mixture": "x9 =:?&/@\"'{[\\-.%\n",
}
"""What a hostile text repeats."""

# Whatever takes less for 64 KiB harms nobody; a quadratic pass over them takes seconds.
_SHORT_SECONDS = 0.05
_RATIO = 8
"""How much longer four times the text may take: a linear pass takes 4 times as long, and a quadratic one 16 times."""
_ATTEMPTS = 3


def is_linear(function: Callable[[str], object], make: Callable[[int], str], length: int = LENGTH) -> bool:
    """Whether the time of `function` is short for `make(length)`, or grows no faster than the text.

    It is processor time of this thread, and the best of several attempts: a busy machine makes no difference.
    """
    return any(_grows_with_length(function, make, length) for _ in range(_ATTEMPTS))


def repeated(part: str) -> Callable[[int], str]:
    """Makes texts of any length of one part."""
    return lambda length: (part * (length // len(part) + 1))[:length]


def _grows_with_length(function: Callable[[str], object], make: Callable[[int], str], length: int) -> bool:
    before = float("inf")
    # What is quadratic fails with a short text already, and need not be waited for.
    for size in (length // 16, length // 4, length):
        text = make(size)
        started = time.thread_time()
        function(text)
        seconds = time.thread_time() - started
        if seconds > max(_SHORT_SECONDS, _RATIO * before):
            return False
        before = seconds
    return True
