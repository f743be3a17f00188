"""A small engine of the shape of LMCache's MP server, in pure Python: for trials, plugins, documents and tests.

It stores bytes in memory (L1) and in a directory (L2). Use LMCache in production.
"""

from .manager import EmbeddedMPManager
from .server import EmbeddedMPServer

__all__ = ["EmbeddedMPManager", "EmbeddedMPServer"]
