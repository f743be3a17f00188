"""The result of loading the plugins of an app."""

from __future__ import annotations

from msgspec import Struct


class PluginError(Exception):
    """An endpoint file cannot be mounted; the message gives the reason."""


class Plugins(Struct):
    """The result of loading each plugin, in `app.extensions["lmcache_internal"]`.

    Attributes:
        loaded: file path or entry point of each mounted plugin, in mounting order.
        failed: file path or entry point of each plugin that failed to load, with the reason.
    """

    loaded: list[str] = []
    failed: dict[str, str] = {}
