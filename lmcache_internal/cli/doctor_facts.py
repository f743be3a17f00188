"""Fetch the facts of one server: from GET /doctor, or for LMCache's own server, from its other endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from ..diagnostics.doctor.collectors import fields
from ..diagnostics.doctor.metric_facts import metric_facts
from ..diagnostics.doctor.ranks import NOT_COLLECTED
from ..diagnostics.doctor.seeds import shown_seed
from ..redaction import redact
from .client import Client, Failure
from .text import one_line

PROMETHEUS_ACCEPTS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""What Prometheus 2 sends."""
OTHER_SERVER = "the server has no GET /doctor, as LMCache's own server"

_Fetch = Callable[[Client, Mapping[str, Any]], Mapping[str, Any]]


class _Document(msgspec.Struct):
    facts: dict[str, dict[str, Any]]


class _Status(msgspec.Struct):
    is_healthy: bool


def fetch_facts(client: Client) -> dict[str, Any]:
    """Return the facts of a server by group; a group that could not be fetched has its reason in `not_collected`.

    Raises:
        Failure: the server does not answer, or refuses GET /doctor.
    """
    try:
        document: _Document = client.json("GET", "/doctor", type=_Document)
    except Failure as failure:
        if failure.status != 404:
            raise
        facts = _from_other_endpoints(client)
        if not any(found for group, found in facts.items() if group != NOT_COLLECTED):
            raise
        return facts
    return dict(document.facts)


def _from_other_endpoints(client: Client) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    missing = dict.fromkeys(fields(), OTHER_SERVER)
    for group, fetch in _GROUPS.items():
        try:
            facts[group] = redact(dict(fetch(client, facts)))
            del missing[group]
        except Failure as failure:
            if failure.unreachable:
                raise
            missing[group] = f"{OTHER_SERVER}; {failure}"
        except _Unknown as unknown:
            missing[group] = f"{OTHER_SERVER}; {unknown}"
        except Exception as error:  # A server may send anything; the other groups are still facts.
            missing[group] = f"{OTHER_SERVER}; unusable response ({one_line(f'{type(error).__name__}: {error}', 200)})"
    return {**facts, NOT_COLLECTED: missing}


class _Unknown(Exception):
    """Facts that the other endpoints do not show."""


def _json(path: str) -> _Fetch:
    return lambda client, _: client.json("GET", path, type=dict[str, Any])


def _config(client: Client, _: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return dict(client.json("GET", "/conf", type=dict[str, Any]))
    except Failure as failure:
        if failure.status != 404:
            raise
        return dict(client.json("GET", "/config", type=dict[str, Any]))  # An MP server.


def _rank(_: Client, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    if "metadata" not in facts:
        return {"role": "mp", "worker_id": None} if "config" in facts else {}
    role = "scheduler" if facts["metadata"].get("role") == "scheduler" else "worker"
    return {"role": role, "worker_id": facts["metadata"].get("worker_id") if role == "worker" else None}


def _process(client: Client, _: Mapping[str, Any]) -> Mapping[str, Any]:
    environment = client.json("GET", "/env", type=dict[str, str])
    found: dict[str, Any] = {"hash_seed": shown_seed(environment.get("PYTHONHASHSEED"))}
    for family in text_string_to_metric_families(_metrics_text(client)):
        if family.name == "python_info":
            found["python"] = family.samples[0].labels.get("version", "")
    return found


def _versions(client: Client, _: Mapping[str, Any]) -> Mapping[str, Any]:
    found: dict[str, Any] = {"lmcache": client.json("GET", "/lmc_version", type=str)}
    try:
        found["vllm"] = client.json("GET", "/inference_info", type=dict[str, Any]).get("vllm_version")
    except Failure as failure:
        if failure.unreachable:
            raise
    return found


def _mode(client: Client, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    if facts.get("rank", {}).get("role") != "mp":
        raise _Unknown("its other endpoints do not show the mode")
    return {"is_healthy": client.json("GET", "/status", type=_Status).is_healthy}


def _hashing(_: Client, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what follows from the version of vLLM: since 0.10, the first hash of each prefix depends on the seed."""
    version = re.match(r"(\d{1,6})\.(\d{1,6})", str(facts.get("versions", {}).get("vllm")))
    if version is None or (int(version[1]), int(version[2])) < (0, 10):
        raise _Unknown("/inference_info shows no vLLM 0.10 or later")
    return {"function": facts.get("config", {}).get("pre_caching_hash_algorithm"), "depends_on_seed": True}


def _metrics(client: Client, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    rank = facts.get("rank", {})
    return metric_facts(text_string_to_metric_families(_metrics_text(client)), rank.get("role"), rank.get("worker_id"))


def _metrics_text(client: Client) -> str:
    return client.request("GET", "/metrics", headers={"Accept": "text/plain"}).text


def _server(client: Client, _: Mapping[str, Any]) -> Mapping[str, Any]:
    """Older versions of this server have /healthz, and LMCache's own server has not."""
    try:
        client.request("GET", "/healthz", good=(503,))
    except Failure as failure:
        if failure.status != 404:
            raise
        product = "lmcache"
    else:
        product = "lmcache_internal"
    scrape = client.request("GET", "/metrics", headers={"Accept": PROMETHEUS_ACCEPTS}).text
    return {
        "product": product,
        "address": client.target.address,
        "is_private": client.target.is_private,
        "renamed_metrics": re.search(r"^lmcache_(?!internal)\w+[{ ]", scrape, re.MULTILINE) is not None,
    }


_GROUPS: dict[str, _Fetch] = {
    "server": _server,
    "config": _config,
    "metadata": _json("/meta"),
    "rank": _rank,
    "process": _process,
    "versions": _versions,
    "mode": _mode,
    "hashing": _hashing,
    "metrics": _metrics,
}
"""How each group is fetched; one after another, because later groups read earlier ones."""
