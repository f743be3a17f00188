"""Finds endpoint files (`*_api.py`) and entry points, loads them, and mounts their blueprints in an app.

It may import `operations`, `redaction` and `errors`; `app`, `api` and the command `serve` import it.
"""

from .mount import mount_plugins
from .page import Page
from .report import PluginError, Plugins

__all__ = ["Page", "PluginError", "Plugins", "mount_plugins"]
