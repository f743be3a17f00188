"""Every place of a request where a client writes what it likes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from lmcache_internal.app import InternalApp
from lmcache_internal.openapi.routes import Route, routes_of
from lmcache_internal.operations.arguments import Argument

Request = dict[str, Any]
"""What the Flask client's `open` takes."""

HEADERS = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Connection", "Content-Type", "Cookie"),
    *("Forwarded", "Host", "If-Match", "If-None-Match", "If-Modified-Since", "Origin", "Range", "Referer"),
    *("Sec-Fetch-Site", "User-Agent", "Via", "X-Forwarded-For", "X-Anything"),
)
_READ = ("GET", "/conf")
_WRITE = ("PUT", "/bypass/add")
_FITTING = {"tokens_mock": "0,16", "slot_mapping": "1", "to": "0"}


class Place(NamedTuple):
    """Where a text may stand.

    Attributes:
        name: "DELETE /cache/clear?locations".
        request: makes the request that has a text there.
    """

    name: str
    request: Callable[[str], Request]


def places(app: InternalApp) -> Iterator[Place]:
    """All of them: paths, arguments, bodies, headers, the method."""
    for route in routes_of(app):
        if "{" in route.path:
            yield Place(f"{route.method} {route.path}", partial(_in_path, route.method, route.path))
        for argument in route.arguments:
            yield from _of_argument(route, argument)
    for method, path in (_READ, _WRITE):
        for header in HEADERS:
            yield Place(f"{method} {path} {header}", partial(_in_header, method, path, header))
        for before, after in (("x=", ""), ("", "=x"), ("x&", "&x")):
            name = f"{method} {path}?{before}…{after}"
            yield Place(name, partial(_in_query, method, f"{path}?{before}", after))
        yield Place(f"{method} {path}?…", partial(_as_query, method, path))
    yield Place("GET /metrics Accept", partial(_in_header, "GET", "/metrics", "Accept"))
    yield Place("GET /metrics Accept-Encoding", partial(_in_header, "GET", "/metrics", "Accept-Encoding"))
    yield Place("an unknown path", partial(_in_path, "GET", "/{}"))
    yield Place("an unknown method", lambda text: {"method": re.sub(r"\W", "X", text), "path": "/conf"})


def _of_argument(route: Route, argument: Argument) -> Iterator[Place]:
    path = re.sub("{.+?}", "x", route.path)
    name = f"{route.method} {path}?{argument.name}"
    if argument.takes_json:
        for kind, body in _BODIES.items():
            yield Place(f"{name} {kind}", partial(_in_body, route.method, path, body))
    elif argument.name not in route.rule.arguments:
        others = [other for other in route.arguments if other.required and other is not argument]
        query = "&".join(f"{other.name}={_FITTING.get(other.name, '1')}" for other in others)
        yield Place(name, partial(_in_query, route.method, f"{path}?{query}&{argument.name}=", ""))


_BODIES: dict[str, Callable[[str], Any]] = {
    "key": lambda text: {text: 1},
    "keys": lambda text: {f"{text[:20]}{number}": 1 for number in range(len(text) // 20)},
    "number": lambda text: {"min_retrieve_tokens": text},
    "text": lambda text: {"config_path": text, "local_disk": text},
    "inner key": lambda text: {"extra_config": {f"internal_api_server_{text}": text}},
}


def _in_path(method: str, path: str, text: str) -> Request:
    return {"method": method, "path": re.sub("{.*?}", lambda _: quote(text, safe=""), path)}


def _in_query(method: str, before: str, after: str, text: str) -> Request:
    return {"method": method, "path": f"{before}{quote(text, safe='')}{after}"}


def _as_query(method: str, path: str, text: str) -> Request:
    return {"method": method, "path": path, "query_string": quote(text, safe="&=;?/:@{}[]%")}


def _in_header(method: str, path: str, header: str, text: str) -> Request:
    value = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
    return {
        "method": method,
        "path": path,
        "headers": {header: f"Bearer {value}" if header == "Authorization" else value},
    }


def _in_body(method: str, path: str, body: Callable[[str], Any], text: str) -> Request:
    return {"method": method, "path": path, "json": body(text)}
