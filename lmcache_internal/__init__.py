"""The internal API server of an LLM KV-cache engine, as a Flask/WSGI blueprint library."""

from .app import create_app
from .engine.embedded import EmbeddedConfig, EmbeddedEngine, EmbeddedManager, EmbeddedMetadata
from .server import InternalAPIServer
from .version import __version__

__all__ = [
    "EmbeddedConfig",
    "EmbeddedEngine",
    "EmbeddedManager",
    "EmbeddedMetadata",
    "InternalAPIServer",
    "__version__",
    "create_app",
]
