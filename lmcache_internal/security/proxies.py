"""Detect by its headers whether a proxy forwarded a request."""

from __future__ import annotations

from functools import lru_cache

# One word is enough: CF in `CF-Connecting-IP`, FORWARDED in `X-Original-Forwarded-For`.
_FAMILIES = frozenset({
    "FORWARDED", "VIA", "PROXY", "ORIGINAL", "REAL", "CDN", "CF", "FASTLY", "AKAMAI", "ENVOY", "AMZN",
    "AMZ", "AZURE", "ARR", "APPENGINE", "CLOUD", "VERCEL", "FLY", "CLOUDFRONT", "INCAP", "SUCURI",
    "HAPROXY", "NGINX", "VARNISH", "TRAEFIK", "ISTIO", "SURROGATE", "ORIGINATING", "LINKERD", "L5D",
    "KONG", "NGROK", "HEROKU", "RENDER", "RNDR", "SQUID", "GOOG", "TAILSCALE", "AUTHENTIK", "AUTHELIA",
    "REMOTE", "REWRITE", "FRONT", "SCHEME", "CERT", "SSL", "PRINCIPAL",
})  # fmt: skip
# The last word is also enough: `True-Client-IP`, `X-Client-IP`, `X-Remote-Addr`, `X-ClientIP`.
_CLIENTS = ("IP", "IPV4", "IPV6", "ADDR", "ADDRESS", "CLIENTIP", "REALIP", "REMOTEIP", "CLIENTADDR", "REMOTEADDR")
# Or by any of its words that has this in it: `X-Forward-For`, `XForwardedFor`, `X-IMForwards`.
_FORWARDING = "FORWARD"
# Or by a name that an authenticating proxy, or one that rewrites Host, sends: `X-Auth-Request-User`, `X-Host`.
_PREFIXES = ("HTTP_X_AUTH_REQUEST_", "HTTP_X_HOST", "HTTP_X_HTTP_HOST", "HTTP_X_USER", "HTTP_X_SERVER_NAME")


@lru_cache(maxsize=16)  # Few, because a client chooses the names, and 100 of them may take 64 KiB.
def came_through_proxy(names: tuple[str, ...]) -> bool:
    """Return whether a proxy forwarded the request with these WSGI environ keys; True if in doubt."""
    return any(_is_of_proxy(name) for name in names if name.startswith("HTTP_"))


def _is_of_proxy(name: str) -> bool:
    words = name.removeprefix("HTTP_").split("_")
    if words[-1] in _CLIENTS or not _FAMILIES.isdisjoint(words):
        return True
    return name.startswith(_PREFIXES) or any(_FORWARDING in word for word in words)
