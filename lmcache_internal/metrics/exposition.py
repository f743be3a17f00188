"""A scrape: all metrics of a registry or those named, in the format and encoding that the scraper prefers."""

from __future__ import annotations

import copy
import functools
import gzip
import re
from collections.abc import Collection, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..conversion import shown, suggestion
from .encoding import encoder_of, preferred
from .renderer import Renderer

_MIN_GZIP_BYTES = 1024
"""Smaller bodies are not compressed: they fit into one packet as they are."""

_MOST_HINTS = 3


class _Selection(Collector):
    """The samples of a registry that bear one of the names, or whose family does.

    prometheus_client's `restricted_registry` would miss families that their collector has not
    described beforehand, the embedded engine's among them.
    """

    def __init__(self, registry: Collector, names: Collection[str]) -> None:
        self._registry = registry
        self._names = frozenset(names)
        self._known: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            samples = list(family.samples)
            self._known |= {family.name, *(sample.name for sample in samples)}
            if family.name not in self._names:
                family = copy.copy(family)
                family.samples = [sample for sample in samples if sample.name in self._names]
            if family.samples:
                yield family

    def comments(self) -> bytes:
        """A line for each name that was not found when it was collected, and is like one that there is."""
        hints = {name: suggestion(name, self._known) for name in sorted(self._names - self._known)[:_MOST_HINTS]}
        lines = [f"# There is no metric {shown(name)}{hint}\n" for name, hint in hints.items() if hint]
        return "".join(lines).encode("utf-8", "backslashreplace")


def expose(
    registry: CollectorRegistry, accept: str, accept_encoding: str, names: Collection[str] = ()
) -> tuple[bytes, dict[str, str]]:
    """Render `registry` as the scraper asks.

    Args:
        registry: what to render.
        accept: the request's Accept header; empty for the plain text format 0.0.4.
        accept_encoding: its Accept-Encoding header; gzip is used where it is accepted.
        names: of samples and families; all where there are none.

    Returns:
        The body and the response headers, `Content-Type` among them.
    """
    selection = _Selection(registry, names) if names else None
    body, content_type = _render(selection or registry, preferred(accept))
    if selection is not None and content_type.startswith("text/plain"):  # In OpenMetrics there are no comments.
        body += selection.comments()
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if len(body) >= _MIN_GZIP_BYTES and re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accept_encoding):
        return gzip.compress(body, compresslevel=1, mtime=0), headers | {"Content-Encoding": "gzip"}
    return body, headers


def _render(registry: Collector, accepted: str) -> tuple[bytes, str]:
    encoder, content_type = encoder_of(accepted)
    if registry is not REGISTRY:
        return encoder(registry), content_type
    return _renderer(content_type).render(registry), content_type


@functools.lru_cache(maxsize=4)
def _renderer(content_type: str) -> Renderer:
    # What is a type of content is an Accept header, too.
    encoder, _ = encoder_of(content_type)
    return Renderer(encoder)
