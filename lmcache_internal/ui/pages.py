"""The page at /ui and its assets."""

from __future__ import annotations

import functools
import posixpath
import re
from pathlib import Path
from typing import cast

from flask import Response, redirect, request
from jinja2 import Environment, FileSystemLoader

from ..errors import NotFound

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of the page: no inline scripts or styles, and nothing from other origins."""

_IMPORT = re.compile(r'^(?:import|\}) .*?from "(\.[^"]*)";$', re.MULTILINE)
_ASSETS = Path(__file__).parent / "assets"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page(root: str, *, base: str = "", socket: str = "", token: bool = False, fleet: str = "") -> Response:
    """Return the page, which contains no data of the engine.

    Args:
        root: the path where the app is mounted; empty at the root.
        base: the URL of the server for the commands that the page shows, if it is not that of the page.
        socket: its Unix socket, if any.
        token: whether these commands need a token.
        fleet: the name of the server in a fleet; the page then leads back to the page of the fleet.
    """
    modules = _imported_by("main.js")
    return _html("index.html", root=root, modules=modules, base=base, socket=socket, token=token, fleet=fleet)


def fleet_page() -> Response:
    """Return the page that shows a fleet."""
    return _html("fleet/index.html", root="", modules=_imported_by("fleet/main.js"))


def redirect_to_page() -> Response:
    """Return the redirect from / to the page."""
    return cast(Response, redirect(f"{request.script_root}/ui", Response=Response))


def has_asset(name: str) -> bool:
    """Return whether the page has an asset of that name."""
    return name in _assets()


def asset(name: str) -> Response:
    """Return an asset of the page (script, stylesheet, image); raises `NotFound` (404)."""
    if not has_asset(name):
        raise NotFound(f"/ui has no asset {name[:100]!r}")
    content, media_type = _assets()[name]
    return Response(content, content_type=media_type)


def _html(template: str, **values: object) -> Response:
    html = _templates().get_template(template).render(**values)
    return Response(html, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})


@functools.cache
def _assets() -> dict[str, tuple[bytes, str]]:
    """Return all assets by name. They are read once, so a name from a client never becomes a path."""
    files = (file for file in _ASSETS.rglob("*") if file.suffix in _MEDIA_TYPES)
    return {file.relative_to(_ASSETS).as_posix(): (file.read_bytes(), _MEDIA_TYPES[file.suffix]) for file in files}


@functools.cache
def _imported_by(entry: str) -> tuple[str, ...]:
    """Return the modules that a module imports, directly or not.

    The page names them, so that a browser loads all of them at once, and not each after the module that imports it.
    """
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        for path in _IMPORT.findall(_assets()[module][0].decode()):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(module), path))
            if name not in found:
                found[name] = None
                waiting.append(name)
    return tuple(found)


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_ASSETS), autoescape=True)
