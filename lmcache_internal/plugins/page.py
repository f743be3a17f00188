"""A page of a plugin in the navigation of the dashboard.

It is a declaration beside the `router`, so that the dashboard needs no knowledge of plugins.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType, ModuleType

from msgspec import Struct
from werkzeug.routing import Rule

from ..roles import Role
from .report import PluginError

MAX_TITLE = 40
"""Maximum length of a title, in characters."""


class Page(Struct, frozen=True):
    """An entry in the navigation of the dashboard.

    Attributes:
        title: the text of the link, 1 to 40 characters.
        path: the path of a GET route of the same plugin, such as `/board`.
        role: the role that the link shows as required. It does not protect the page: the routes do that.
    """

    title: str
    path: str
    role: Role = Role.VIEWER


def page_of(loaded: object, rules: Iterable[Rule]) -> Page | None:
    """Return the page that a plugin declares as `page`; None if it declares none.

    Raises:
        PluginError: the declaration is invalid, or the plugin does not serve its path.
    """
    found = getattr(loaded, "page", None) if isinstance(loaded, ModuleType) else None
    if found is None or isinstance(found, FunctionType):  # Plugins may have a function of that name.
        return None
    if not isinstance(found, Page):
        raise PluginError(f"its `page` must be a Page, such as page = Page('Board', '/board'); got {found!r}")
    if not isinstance(found.title, str) or not 1 <= len(found.title.strip()) <= MAX_TITLE:
        raise PluginError(f"the title of its `page` must have 1 to {MAX_TITLE} characters; got {found.title!r}")
    if not isinstance(found.role, Role):
        raise PluginError(f"the role of its `page` must be a Role, such as Role.VIEWER; got {found.role!r}")
    served = sorted(rule.rule for rule in rules if "GET" in (rule.methods or ()) and not rule.arguments)
    if found.path not in served:
        routes = ", ".join(served) or "none"
        raise PluginError(f"its `page` has the path {found.path!r}, which is no GET route of it; it has: {routes}")
    return found
