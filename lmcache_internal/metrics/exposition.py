"""Render all or some metrics of a registry in the format and encoding that the scraper prefers."""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Collection, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..conversion import shown, suggestion
from .encoding import encoder_of, preferred
from .families import sample_names, subset
from .kept_series import KeptSeries
from .renderer import Renderer

_MIN_GZIP_BYTES = 1024
"""Smaller bodies are not compressed, because they fit into one packet."""

_MOST_HINTS = 3


_kept_series = KeptSeries(REGISTRY)


class _Selection(Collector):
    """The samples of a registry with one of the names, or with one of the names as family name.

    prometheus_client's `restricted_registry` omits families that their collector does not describe, such as those of
    the embedded engine.
    """

    def __init__(self, registry: Collector, names: Collection[str]) -> None:
        self._registry = registry
        self._names = frozenset(names)
        self._known: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            found = sample_names(family)
            self._known |= {family.name, *found}
            if found and family.name in self._names:
                yield family
            elif found & self._names:
                yield subset(family, self._names)

    def comments(self) -> bytes:
        """Return a comment line for each name that was not found but is similar to an existing name."""
        known = frozenset(self._known)
        hints = {name: _hint(name, known) for name in sorted(self._names - known)[:_MOST_HINTS]}
        lines = [f"# There is no metric {shown(name)}{hint}\n" for name, hint in hints.items() if hint]
        return "".join(lines).encode("utf-8", "backslashreplace")


def expose(
    registry: CollectorRegistry, accept: str, accept_encoding: str, names: Collection[str] = ()
) -> tuple[bytes, dict[str, str]]:
    """Render `registry` as the scraper requests.

    Args:
        registry: the registry to render.
        accept: the request's Accept header; empty for the plain text format 0.0.4.
        accept_encoding: its Accept-Encoding header; gzip is used if it is accepted.
        names: names of samples and families; empty for all.

    Returns:
        The body and the response headers with `Content-Type`.
    """
    source = _kept_series if registry is REGISTRY else registry
    selection = _Selection(source, names) if names else None
    encoder, content_type = encoder_of(preferred(accept))
    if registry is not REGISTRY:
        body = encoder(selection or registry)
    elif selection is None:
        body = _renderer(content_type).render(source)
    else:
        body = _renderer_of(content_type, frozenset(names)).render(selection)
    if selection is not None and content_type.startswith("text/plain"):  # OpenMetrics has no comments.
        body += selection.comments()
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if len(body) >= _MIN_GZIP_BYTES and re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accept_encoding):
        return gzip.compress(body, compresslevel=1, mtime=0), headers | {"Content-Encoding": "gzip"}
    return body, headers


@functools.lru_cache(maxsize=4)
def _renderer(content_type: str) -> Renderer:
    # A content type is also a valid Accept header.
    encoder, _ = encoder_of(content_type)
    return Renderer(encoder)


@functools.lru_cache(maxsize=4)
def _renderer_of(content_type: str, _names: frozenset[str]) -> Renderer:
    """Return a renderer for some names. A client that asks for many names cannot displace those for all metrics."""
    return Renderer(encoder_of(content_type)[0])


@functools.lru_cache(maxsize=8)  # Few, because a client chooses the names, each of up to 64 KiB.
def _hint(name: str, known: frozenset[str]) -> str:
    return suggestion(name, known)
