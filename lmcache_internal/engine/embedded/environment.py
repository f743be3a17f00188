"""Read the `LMCACHE_*` variables that set a key, and warn about unknown variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...conversion import cut, suggestion
from ...redaction.log_lines import get_logger

logger = get_logger(__name__)

ENV_PREFIX = "LMCACHE_"

_OTHERS = frozenset(
    {
        *("CONFIG_FILE", "LOG_LEVEL", "LOG_FORMAT", "TRACK_USAGE", "USE_EXPERIMENTAL"),
        *("INTERNAL_ADAPTER", "INTERNAL_TOKEN", "INTERNAL_TOKENS", "INTERNAL_API_SERVER"),
        *("INTERNAL_API_SERVER_TOKEN", "INTERNAL_API_SERVER_TOKEN_FILE", "INTERNAL_API_SERVER_TOKENS_FILE"),
    }
)
"""Variables that other parts of this package and LMCache read; they are not configuration keys."""


def variables_of(environ: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """Return the value in `environ` of each key that it sets; log a warning for empty and unknown variables.

    Args:
        environ: the environment variables.
        keys: the configuration keys; the variable of `chunk_size` is `LMCACHE_CHUNK_SIZE`.
    """
    found = {}
    known = {key.upper(): key for key in keys}
    for variable in sorted(environ):
        name = variable.removeprefix(ENV_PREFIX)
        if name == variable or name in _OTHERS:
            continue
        if name not in known:
            # The value is not logged, because it may be a secret.
            hint = suggestion(variable, [f"{ENV_PREFIX}{each}" for each in (*known, *_OTHERS)])
            logger.warning("The variable %s is unknown and ignored%s", cut(variable), hint)
        elif not environ[variable].strip():
            logger.warning("The variable %s is empty and ignored; use `none` for no value", variable)
        else:
            found[known[name]] = environ[variable]
    return found
