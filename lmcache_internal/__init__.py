"""The internal API server of an LLM KV-cache engine, as a Flask/WSGI blueprint library."""

import importlib
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .app import create_app
    from .engine.embedded import EmbeddedConfig, EmbeddedEngine, EmbeddedManager, EmbeddedMetadata
    from .integrations.flask import InternalAPI
    from .server import InternalAPIServer
else:
    # Imported when asked for: the command line and the pytest plugin start without Flask.
    _HOMES = {
        "EmbeddedConfig": ".engine.embedded",
        "EmbeddedEngine": ".engine.embedded",
        "EmbeddedManager": ".engine.embedded",
        "EmbeddedMetadata": ".engine.embedded",
        "InternalAPI": ".integrations.flask",
        "InternalAPIServer": ".server",
        "create_app": ".app",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_HOMES[name], __name__), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


__all__ = [
    "EmbeddedConfig",
    "EmbeddedEngine",
    "EmbeddedManager",
    "EmbeddedMetadata",
    "InternalAPI",
    "InternalAPIServer",
    "__version__",
    "create_app",
]
