"""What this server offers."""

from __future__ import annotations

import re
import shlex

from flask import Blueprint, current_app, request
from werkzeug.routing import Rule

from lmcache_internal.api import ADDRESS_KEY, Upload, operation, required_access

router = Blueprint("index", __name__)


def _as_text(routes: list[dict[str, str]]) -> str:
    blocks = [
        f"{route['method']:<6} {route['path']}  ({route['access']})\n"
        f"       {route['summary']}\n"
        f"       {route['curl']}\n"
        for route in routes
    ]
    return "The internal API of this engine process\n\n" + "\n".join(blocks)


@router.get("/")
@operation(doing="list the endpoints", as_text=_as_text, cheap=True)
def list_endpoints() -> list[dict[str, str]]:
    """Every endpoint with its method, what it does, and a curl line."""
    return [
        {
            "method": method,
            "path": _template(rule.rule),
            "access": str(required_access(current_app.view_functions[rule.endpoint], method, {})),
            "summary": _summary(rule.endpoint),
            "curl": _curl(method, rule),
        }
        for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _template(rule: str) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule)


def _summary(endpoint: str) -> str:
    return (current_app.view_functions[endpoint].__doc__ or "").strip().partition("\n")[0]


def _curl(method: str, rule: Rule) -> str:
    address = request.environ.get(ADDRESS_KEY)
    words = ["curl"]
    base = request.root_url.rstrip("/")
    if address is not None and address.socket_path:
        words += ["--unix-socket", shlex.quote(address.socket_path)]
        base = address.url
    if method != "GET":
        words += ["-X", method]
    query = []
    for argument in getattr(current_app.view_functions[rule.endpoint], "arguments", ()):
        if argument.takes_json:
            words += ["-d", "'{…}'"]
        elif argument.type is Upload:
            words += ["-F", f"{argument.name}=@FILE"]
        elif argument.required and argument.name not in rule.arguments:
            query.append(f"{argument.name}=…")
    url = f"{base}{_template(rule.rule)}"
    return " ".join([*words, f"'{url}?{'&'.join(query)}'" if query else url])
