"""A small LMCache-shaped engine in pure Python: to try, to write plugins, to test.

It really stores bytes, in memory and on disk; LMCache is for production.
"""

from .cache_engine import EmbeddedEngine
from .config import EmbeddedConfig
from .manager import EmbeddedManager
from .metadata import EmbeddedMetadata

__all__ = ["EmbeddedConfig", "EmbeddedEngine", "EmbeddedManager", "EmbeddedMetadata"]
