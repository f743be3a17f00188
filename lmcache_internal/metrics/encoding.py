"""Select the exposition format for a scraper, and write each metric family so that an invalid one fails no scrape."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterable

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from werkzeug.http import parse_accept_header

from ..conversion import cut, shown
from ..redaction.log_lines import get_logger
from .renderer import Encoder, Families

logger = get_logger(__name__)

_OPENMETRICS = "application/openmetrics-text"
_TEXT = "text/plain"
_ANY_TEXT = (_TEXT, "text/*", "*/*", "*")
_PLAIN_ESCAPING = re.compile(r"escaping=(underscores|values)")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ODD = re.compile(r"\A[0-9]|[^a-zA-Z0-9_]")
_ODD_OR_UNDERSCORE = re.compile(r"\A[0-9]|[^a-zA-Z0-9_.]|_")
_UTF8 = ";escaping=allow-utf-8"


def preferred(accept: str) -> str:
    """Return the preferred format (by `q`) of an Accept header that prometheus_client can write.

    Args:
        accept: the header; empty for none.

    Returns:
        The media type with its parameters; empty for the text format 0.0.4.
    """
    for accepted, quality in sorted(parse_accept_header(accept), key=lambda found: -found[1]):
        media, semicolon, parameters = (part.strip() for part in accepted.partition(";"))
        if quality <= 0:
            break
        if media in _ANY_TEXT:
            return f"{_TEXT}{semicolon}{parameters}" if media == _TEXT and _is_known(accepted) else ""
        if media == _OPENMETRICS and _is_known(accepted) and choose_encoder(accepted)[1].startswith(_OPENMETRICS):
            return accepted
    return ""


def encoder_of(accepted: str) -> tuple[Encoder, str]:
    """Return the encoder for a format that `preferred` returned, and its Content-Type."""
    encoder, content_type = choose_encoder(accepted)
    unescaped = encoder
    if content_type.startswith(_OPENMETRICS) and _PLAIN_ESCAPING.search(content_type):
        # In OpenMetrics, prometheus_client escapes the colon in `lmcache:…`, although it is valid. With UTF-8 allowed,
        # it writes such names unchanged.
        unescaped, _ = choose_encoder(re.sub(r";\s*escaping=[\w-]+", "", accepted) + _version(accepted) + _UTF8)
    scheme = content_type.partition("escaping=")[2] or "underscores"
    return _Tolerant(encoder, unescaped, scheme), content_type


def _version(accepted: str) -> str:
    return "" if "version=" in accepted else ";version=1.0.0"


def _is_known(accepted: str) -> bool:
    try:
        choose_encoder(accepted)
    except (TypeError, ValueError):  # The version is not a number.
        return False
    return True


class _Tolerant:
    """Writes a registry family by family, and omits families that cannot be written.

    Args:
        encoder: writes any name.
        unescaped: writes names that every Prometheus accepts.
        scheme: how `encoder` escapes characters that are not allowed everywhere: "underscores", "dots", "values", …
    """

    def __init__(self, encoder: Encoder, unescaped: Encoder, scheme: str) -> None:
        self._encoder = encoder
        self._scheme = scheme
        self._unescaped = unescaped
        self._end = encoder(Families())

    def __call__(self, registry: Collector) -> bytes:
        return b"".join([self._write(family) for family in registry.collect()]) + self._end

    def _write(self, family: Metric) -> bytes:
        try:
            family.samples = list(family.samples)  # It may be a generator.
            return self._encoded(family)
        except UnicodeEncodeError:
            return self._encoded_without_surrogates(family)
        except Exception as error:  # An invalid family must not prevent the others from being scraped.
            return _left_out(family, error)

    def _encoded_without_surrogates(self, family: Metric) -> bytes:
        try:
            return self._encoded(_without_surrogates(family))
        except Exception as error:  # As in `_write`.
            return _left_out(family, error)

    def _encoded(self, family: Metric) -> bytes:
        is_plain = _has_plain_names(family)
        _require_readable(family, "" if is_plain else self._scheme)
        encoder = self._unescaped if is_plain else self._encoder
        return encoder(Families(family)).removesuffix(self._end)


def _has_plain_names(family: Metric) -> bool:
    names: Iterable[str] = {family.name, *(sample.name for sample in family.samples)}
    labels: Iterable[str] = {label for sample in family.samples for label in sample.labels}
    return all(map(_METRIC_NAME.fullmatch, names)) and all(map(_LABEL_NAME.fullmatch, labels))


def _require_readable(family: Metric, scheme: str) -> None:
    """Raise `ValueError` for a family that prometheus_client writes but no scraper can read."""
    names = {family.name, *(name for sample in family.samples for name in (sample.name, *sample.labels))}
    if any(not name or "\n" in name for name in names):  # prometheus_client accepts "a\n" as a plain name.
        raise ValueError("a name is empty, or has a newline")
    for sample in family.samples:
        value: object = sample.value
        if value is None and not getattr(sample, "native_histogram", None):
            raise ValueError(f"{sample.name} has no value")
        labels = [_escaped_label(label, scheme) for label in sample.labels]
        if len(set(labels)) < len(labels) or any(label.startswith("__") for label in labels):
            raise ValueError(f"{sample.name} has label names that are reserved, or the same")


def _escaped_label(label: str, scheme: str) -> str:
    """Return a label name as prometheus_client writes it; two names may become equal."""
    if scheme == "underscores":
        return _ODD.sub("_", label)
    if scheme == "dots":
        return _ODD_OR_UNDERSCORE.sub("__", label).replace(".", "_dot_")
    return label


def _without_surrogates(family: Metric) -> Metric:
    found = copy.copy(family)
    found.name, found.documentation = _printable(family.name), _printable(family.documentation)
    found.samples = [
        sample._replace(
            name=_printable(sample.name),
            labels={_printable(label): _printable(value) for label, value in sample.labels.items()},
        )
        for sample in family.samples
    ]
    return found


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _left_out(family: Metric, error: Exception) -> bytes:
    _warn(
        shown(getattr(family, "name", family)),
        cut(f"{type(error).__name__}: {error.args[0] if error.args else ''}", 200),
    )
    return b""


@functools.lru_cache(maxsize=100)  # Log each family once, not at every scrape.
def _warn(name: str, reason: str) -> None:
    logger.warning("The metric family %s is omitted from /metrics: %s", name, reason)
