"""Prometheus' exposition formats, with LMCache's `lmcache:` names right in each of them."""

from __future__ import annotations

import copy
import functools
import gzip
import re
from collections.abc import Collection, Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .renderer import Renderer

_UTF8_ESCAPING = "escaping=allow-utf-8"


class _Selection(Collector):
    def __init__(self, registry: CollectorRegistry, names: Collection[str]) -> None:
        self._registry = registry
        self._names = frozenset(names)

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            if family.name not in self._names:
                family = copy.copy(family)
                family.samples = [sample for sample in family.samples if sample.name in self._names]
            if family.samples:
                yield family


def select(registry: CollectorRegistry, names: Collection[str]) -> CollectorRegistry:
    """A registry of the samples of `registry` that bear one of `names`, or whose family does.

    prometheus_client's `restricted_registry` would miss families that their collector has not
    described beforehand, the embedded engine's among them.
    """
    selected = CollectorRegistry()
    selected.register(_Selection(registry, names))
    return selected


def expose(registry: CollectorRegistry, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Render `registry` as the scraper asks.

    Args:
        registry: what to render.
        accept: the request's Accept header; empty for the plain text format 0.0.4.
        accept_encoding: its Accept-Encoding header; gzip is used where it is accepted.

    Returns:
        The body and the response headers, `Content-Type` among them.
    """
    body, content_type = _render(registry, accept)
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accept_encoding):
        return gzip.compress(body, compresslevel=1, mtime=0), headers | {"Content-Encoding": "gzip"}
    return body, headers


def _render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    if _UTF8_ESCAPING not in accept and "openmetrics" in accept:
        # prometheus_client writes `lmcache_…` for `lmcache:…` in OpenMetrics unless the scraper
        # allows UTF-8 names, although a colon was always legal. Allowed for it, the output
        # differs in nothing else, unless some name does need UTF-8: it is then written in quotes.
        unescaped = re.sub(r";\s*escaping=[\w-]+", "", accept)
        permissive = re.sub(r"application/openmetrics-text[^,]*", rf"\g<0>;{_UTF8_ESCAPING}", unescaped)
        body, content_type = _encode(registry, permissive)
        if b'# HELP "' not in body and b'\n{"' not in body:  # Quotes within a line are escaped.
            return body, re.sub(r";\s*escaping=[\w-]+", "", content_type)
    return _encode(registry, accept)


def _encode(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    encoder, content_type = choose_encoder(accept)
    if registry is not REGISTRY:
        return encoder(registry), content_type
    return _renderer(content_type).render(registry), content_type


@functools.lru_cache(maxsize=4)
def _renderer(content_type: str) -> Renderer:
    # What is a type of content is an Accept header, too.
    encoder, _ = choose_encoder(content_type)
    return Renderer(encoder)
