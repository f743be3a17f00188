"""Shared helper of the host tests."""

from __future__ import annotations

from flask import Flask

from lmcache_internal.app import InternalApp


def internal_apps(host: Flask) -> dict[str, InternalApp]:
    """Return the internal apps of a host by their prefix."""
    found: dict[str, InternalApp] = host.extensions["lmcache_internal"]
    return found
