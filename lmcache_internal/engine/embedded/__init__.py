"""A small engine with LMCache's interface in pure Python, to try the server, write plugins and run tests.

It stores bytes in memory and on disk. For production, use LMCache.
"""

from .cache_engine import EmbeddedEngine
from .config import EmbeddedConfig
from .manager import EmbeddedManager
from .metadata import EmbeddedMetadata

__all__ = ["EmbeddedConfig", "EmbeddedEngine", "EmbeddedManager", "EmbeddedMetadata"]
