"""Finds endpoint files (`*_api.py`) and entry points, loads them, and mounts their blueprints in an app.

It may import `operations`, `redaction` and `errors`; only `app` and the command `serve` import it.
"""

from .mount import mount_plugins
from .report import PluginError, Plugins

__all__ = ["PluginError", "Plugins", "mount_plugins"]
