"""The page at /docs: Swagger UI from the package flask-swagger-ui, or a plain list without it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from ..routes import Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of the page: no inline scripts or styles, and nothing from other origins."""

_HERE = Path(__file__).parent
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_OURS = {"interactive.js": _SCRIPT}
_SWAGGER_UI = {
    "favicon-32x32.png": "image/png",
    "index.css": _STYLE,
    "swagger-ui-bundle.js": _SCRIPT,
    "swagger-ui.css": _STYLE,
}


def page(root: str, routes: Sequence[Route]) -> str:
    """Return the HTML of the page.

    Args:
        root: the path where the app is mounted; empty at the root.
        routes: the routes of the plain list.
    """
    template = "plain.html" if swagger_ui() is None else "interactive.html"
    return _templates().get_template(template).render(root=root, routes=routes)


def asset(name: str) -> tuple[bytes, str] | None:
    """Return content and media type of an asset of the page; None if there is no such asset."""
    found = swagger_ui()
    if found is not None and name in _SWAGGER_UI:
        return _content(found / name), _SWAGGER_UI[name]
    return (_content(_HERE / name), _OURS[name]) if name in _OURS else None


@functools.lru_cache(maxsize=len(_OURS) + len(_SWAGGER_UI))
def _content(path: Path) -> bytes:
    """Return a file, which is read once: responses to clients that read slowly share one copy."""
    return path.read_bytes()


def swagger_ui() -> Path | None:
    """Return the directory of Swagger UI in flask-swagger-ui; None if that is not installed."""
    found = find_spec("flask_swagger_ui")
    return Path(found.origin).parent / "dist" if found and found.origin else None


@functools.cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_HERE), autoescape=True)
