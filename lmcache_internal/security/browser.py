"""CSRF and DNS-rebinding protection: a page of another site must not use an operator's browser to reach this server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from ..conversion import cut, shown
from ..errors import Forbidden
from ..settings.address import ADDRESS_KEY

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:,@/\s]*))(?::\d*)?")
_NAME = re.compile(r"[a-z0-9._-]+")
_FORM_TYPES = ("application/x-www-form-urlencoded", "text/plain", "")


def check_host(environ: Mapping[str, Any], allowed: Collection[str], trust_loopback: bool = False) -> None:
    """Refuse a Host header that is not a name of this server, as in DNS rebinding.

    Args:
        environ: the WSGI environ of the request.
        allowed: further names of this server, without port; `.example.com` is that name and all its subdomains.
        trust_loopback: another WSGI server admits loopback clients without a token, browsers included.

    Raises:
        Forbidden: the Host header names another host (403).
    """
    address = environ.get(ADDRESS_KEY)
    if (address is None and not allowed and not trust_loopback) or (address is not None and address.socket_path):
        return  # Another WSGI server checks it, or no browser can connect.
    host = host_of(environ)
    bound = address.host.lower() if address is not None else ""
    if host in ("", "localhost", bound) or _is_own_ip(host, bound) or _is_allowed(host, allowed):
        return
    raise Forbidden(
        f"The Host {shown(host)} is not a name of this server; add it to "
        "extra_config.internal_api_server_allowed_hosts if it is."
    )


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    names = [name.lower() for name in allowed]
    suffixes = tuple(name for name in names if len(name) > 1 and name[0] == ".")
    return host in names or (f".{host}".endswith(suffixes) and _NAME.fullmatch(host) is not None)


def check_origin(environ: Mapping[str, Any]) -> None:
    """Refuse a write that a browser sends on behalf of another site.

    Raises:
        Forbidden: `Sec-Fetch-Site` or `Origin` names another site, or a browser sends the content type of a form
            instead of JSON (403).
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    origin = environ.get("HTTP_ORIGIN")
    if site is None and origin is None:
        _check_browser_without_origin(environ)
        return  # Not a browser, because every browser sends Origin with a write.
    own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    if (site is not None and site not in ("same-origin", "none")) or (origin is not None and origin != own):
        raise Forbidden(
            f"A page of another site ({cut(str(origin or site))}) may not send {cut(environ['REQUEST_METHOD'])} here."
        )
    content_type = str(environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if environ.get("CONTENT_LENGTH", "0") not in ("", "0") and content_type in _FORM_TYPES:
        raise Forbidden(f"A browser must send JSON as application/json, not as {shown(content_type or 'nothing')}.")


def _check_browser_without_origin(environ: Mapping[str, Any]) -> None:
    # With a GET to a host (0.0.0.0, a name) that is neither loopback nor HTTPS, a browser sends neither Origin nor
    # Sec-Fetch-Site. At loopback, a Mozilla user agent without them is a proxy that passes on a browser's headers.
    agent = str(environ.get("HTTP_USER_AGENT") or "")
    if environ["REQUEST_METHOD"] in ("GET", "HEAD") and agent.startswith("Mozilla/"):
        host = host_of(environ)
        if host != "localhost" and not _is_loopback(host):
            raise Forbidden(
                f"At {shown(host)}, a browser does not send the site that a write comes from; use localhost or curl."
            )


def host_of(environ: Mapping[str, Any]) -> str:
    """Return the Host header in lower case without its port; unchanged if it is not a host with a port."""
    return _host_in(str(environ.get("HTTP_HOST") or ""))


@lru_cache(maxsize=16)  # Few, because a client chooses the host, of up to 8 KiB.
def _host_in(header: str) -> str:
    header = header.lower()
    match = _HOST.fullmatch(header)
    return (match[1] or match[2] or "") if match else header


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=16)
def _is_own_ip(host: str, bound: str) -> bool:
    """Return whether `host` is an IP address, which DNS cannot redirect, that this server may have."""
    try:
        found = ipaddress.ip_address(host)
        return found.is_loopback or not bound or ipaddress.ip_address(bound).is_unspecified or host == bound
    except ValueError:
        return False
