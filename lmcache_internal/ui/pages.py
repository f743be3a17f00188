"""The page at /ui and its assets."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of the page: no inline scripts or styles, and nothing from other origins."""

_ASSETS = Path(__file__).parent / "assets"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page(root: str) -> str:
    """Return the HTML of the page, which contains no data of the engine.

    Args:
        root: the path where the app is mounted; empty at the root.
    """
    return _templates().get_template("index.html").render(root=root)


def asset(name: str) -> tuple[bytes, str] | None:
    """Return content and media type of an asset of the page; None if there is no such asset."""
    return _assets().get(name)


@functools.cache
def _assets() -> dict[str, tuple[bytes, str]]:
    """Return all assets by name. They are read once, so a name from a client never becomes a path."""
    files = (file for file in _ASSETS.rglob("*") if file.suffix in _MEDIA_TYPES)
    return {file.relative_to(_ASSETS).as_posix(): (file.read_bytes(), _MEDIA_TYPES[file.suffix]) for file in files}


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_ASSETS), autoescape=True)
