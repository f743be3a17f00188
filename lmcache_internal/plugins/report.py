"""The result of loading the plugins of an app."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from .page import Page


class PluginError(Exception):
    """An endpoint file cannot be mounted; the message gives the reason.

    Attributes:
        public: the reason for anonymous readers; without the text of an exception, which may quote anything.
    """

    def __init__(self, reason: str, public: str | None = None) -> None:
        super().__init__(reason)
        self.public = reason if public is None else public

    @classmethod
    def of(cls, reason: str, error: BaseException) -> PluginError:
        """The error of a plugin's own code."""
        public = f"{reason}: {type(error).__name__}"
        return cls(f"{public}: {error}", public)


class Plugins(Struct):
    """The result of loading each plugin, in `app.extensions["lmcache_internal"]`.

    Attributes:
        loaded: file path or entry point of each mounted plugin, in mounting order.
        other: file path or entry point of each plugin for another kind of engine.
        failed: file path or entry point of each plugin that failed to load, with the reason.
        public: the same keys, with the reason that anonymous clients may see.
        pages: the pages of the mounted plugins, in mounting order.
        health_checks: the checks of the mounted plugins, by blueprint and name: `license.server`.
    """

    loaded: list[str] = []
    other: list[str] = []
    failed: dict[str, str] = {}
    public: dict[str, str] = {}
    pages: list[Page] = []
    health_checks: dict[str, Callable[[], object]] = {}
