"""The `internal_api_server_*` settings: reading, normalizing, protecting them, and the address to listen on.

It may import `redaction`, `errors`, `roles` and `conversion` only, because all other packages need settings.
"""

from .model import (
    LARGE_BODY_BYTES,
    MAX_BODY_BYTES,
    MOST_SCRIPTS,
    PREFIX,
    PUBLIC_BODY_BYTES,
    LiveSettings,
    Settings,
    extra_config,
    warn_of_old_names,
)

__all__ = [
    "LARGE_BODY_BYTES",
    "MAX_BODY_BYTES",
    "MOST_SCRIPTS",
    "PREFIX",
    "PUBLIC_BODY_BYTES",
    "LiveSettings",
    "Settings",
    "extra_config",
    "warn_of_old_names",
]
