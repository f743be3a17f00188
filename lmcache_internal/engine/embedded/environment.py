"""The `LMCACHE_*` variables: those that set a key, and warnings of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...conversion import cut, suggestion
from ...log_lines import get_logger

logger = get_logger(__name__)

ENV_PREFIX = "LMCACHE_"

_OTHERS = frozenset(
    {
        *("CONFIG_FILE", "LOG_LEVEL", "LOG_FORMAT", "TRACK_USAGE", "USE_EXPERIMENTAL"),
        *("INTERNAL_ADAPTER", "INTERNAL_TOKEN", "INTERNAL_TOKENS", "INTERNAL_API_SERVER"),
        *("INTERNAL_API_SERVER_TOKEN", "INTERNAL_API_SERVER_TOKEN_FILE", "INTERNAL_API_SERVER_TOKENS_FILE"),
    }
)
"""Read by other parts of this package and by LMCache, and no keys of the configuration."""


def variables_of(environ: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    """The texts by which `environ` sets some of `keys`; a variable that is empty or unknown is warned of.

    Args:
        environ: the variables.
        keys: of the configuration; the variable of `chunk_size` is `LMCACHE_CHUNK_SIZE`.
    """
    found = {}
    known = {key.upper(): key for key in keys}
    for variable in sorted(environ):
        name = variable.removeprefix(ENV_PREFIX)
        if name == variable or name in _OTHERS:
            continue
        if name not in known:
            # Not its value: it may be a secret.
            hint = suggestion(variable, [f"{ENV_PREFIX}{each}" for each in (*known, *_OTHERS)])
            logger.warning("The variable %s is unknown, and not read%s", cut(variable), hint)
        elif not environ[variable].strip():
            logger.warning("The variable %s is empty, and counts as unset; `none` means no value", variable)
        else:
            found[known[name]] = environ[variable]
    return found
