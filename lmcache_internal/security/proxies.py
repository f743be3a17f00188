"""Headers by which a request shows that a proxy sent it."""

from __future__ import annotations

from functools import lru_cache

# A header belongs to a family by one of its words: `CF-Connecting-IP` by CF, `X-Original-Forwarded-For` by FORWARDED.
_FAMILIES = frozenset({
    "FORWARDED", "VIA", "PROXY", "ORIGINAL", "REAL", "CDN", "CF", "FASTLY", "AKAMAI", "ENVOY", "AMZN",
    "AMZ", "AZURE", "ARR", "APPENGINE", "CLOUD", "VERCEL", "FLY", "CLOUDFRONT", "INCAP", "SUCURI",
    "HAPROXY", "NGINX", "VARNISH", "TRAEFIK", "ISTIO", "SURROGATE", "FORWARDS", "ORIGINATING",
})  # fmt: skip
# Or by its last word: `True-Client-IP`, `X-Client-IP`, `X-Remote-Addr`, `X-ClientIP`.
_CLIENTS = ("IP", "IPV4", "IPV6", "ADDR", "ADDRESS", "CLIENTIP", "REALIP", "REMOTEIP", "CLIENTADDR", "REMOTEADDR")


@lru_cache(maxsize=256)
def came_through_proxy(names: tuple[str, ...]) -> bool:
    """Whether a request with a WSGI environ of these keys was sent by a proxy; in doubt, it was."""
    return any(_is_of_proxy(name) for name in names if name.startswith("HTTP_"))


def _is_of_proxy(name: str) -> bool:
    words = name.removeprefix("HTTP_").split("_")
    return words[-1] in _CLIENTS or not _FAMILIES.isdisjoint(words)
