"""Find the servers: count the ranks of a deployment, and learn from a server what it is.

The engine's configuration says where rank n listens, but often not how many ranks there are; a server knows that. A URL
says nothing about the server behind it: `/meta` gives the index of a rank. An MP server has no `/meta`, and is
recognized by its `GET /`, which needs no token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from ..errors import ConfigError
from ..settings import Settings
from .client import Client, Failure
from .credentials import BearerToken
from .fleet import Fleet
from .outcome import Found, Outcome
from .output import Screen
from .sources import Source
from .targets import Target, targets_of

MAX_WORKERS = 1024
"""The largest number of workers that a server is believed to have."""
MP_SERVICE = "LMCache HTTP API"
"""The `service` in `GET /` of an MP server, LMCache's or ours."""
PROBED = range(8)
"""The indices that are asked for the number of ranks."""


def find(source: Source, token: BearerToken | None, seconds: float) -> Found:
    """Find the servers that the options choose.

    Raises:
        click.ClickException: the options or a file cannot be used.
    """
    source.check()
    if source.kubernetes:
        from .pods.search import find_pods

        return find_pods(source.kubernetes, source.indices, token, seconds, _quiet())
    found = source.targets(token, seconds)
    if isinstance(found, Settings):
        return _count(found, token, seconds)
    known = _identify(found, token, seconds) if any(map(_is_unknown, found)) else Found(found)
    return replace(known, volatile=source.is_live)


def _count(settings: Settings, token: BearerToken | None, seconds: float) -> Found:
    try:
        probed = targets_of(settings, PROBED)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    outcomes = []
    for outcome in _search(probed, token, seconds).outcomes(lambda client: _all_ranks(client, settings)):
        if outcome.ok:
            return Found(outcome.data)
        outcomes.append(outcome)
    return _uncounted(probed, {outcome.target: outcome for outcome in outcomes})


def _uncounted(probed: list[Target], outcomes: Mapping[Target, Outcome]) -> Found:
    """Return the probed servers up to the last one that answers; all of them if none does."""
    answered = [number for number, target in enumerate(probed) if not outcomes[target].unreachable]
    targets = probed[: answered[-1] + 1] if answered else probed
    failed = {target: outcomes[target] for target in targets if outcomes[target].unreachable}
    problem = None
    if answered:
        first = outcomes[probed[answered[0]]]
        problem = f"{first.target.name}: {first.error}"
    return Found(targets, failed, counted=False, problem=problem)


def _identify(targets: list[Target], token: BearerToken | None, seconds: float) -> Found:
    """Ask the servers of which neither the index nor the kind is known."""
    unknown = [target for target in targets if _is_unknown(target)]
    outcomes = {outcome.target: outcome for outcome in _search(unknown, token, seconds).outcomes(_identity)}
    found = [outcomes[target].data if target in outcomes and outcomes[target].ok else target for target in targets]
    failed = {target: outcome for target, outcome in outcomes.items() if not outcome.ok and outcome.status is None}
    return Found(found, failed)


def _search(targets: list[Target], token: BearerToken | None, seconds: float) -> Fleet:
    return Fleet(Found(targets), token, seconds, _quiet())


def _quiet() -> Screen:
    screen = Screen()
    screen.quiet = True
    return screen


def _all_ranks(client: Client, settings: Settings) -> list[Target]:
    count = fetch_world_size(client)
    try:
        return targets_of(settings, range(1 + count))
    except ConfigError as error:
        raise Failure(f"/meta has no usable world_size ({count}): {error}") from error


def _is_unknown(target: Target) -> bool:
    return target.index is None and not target.mp


def _identity(client: Client) -> Target:
    """Return the target with its index, or as an MP server; unchanged if the server does not say."""
    try:
        return replace(client.target, index=_index(_meta(client, "role,worker_id")))
    except Failure as failure:
        # With API keys, LMCache's MP server responds with 401 before it looks for the path.
        if failure.status in (401, 404) and is_mp(client):
            return replace(client.target, mp=True)
        raise


def _index(meta: Mapping[str, Any]) -> int | None:
    if meta.get("role") == "scheduler":
        return 0
    worker = meta.get("worker_id")
    return 1 + worker if type(worker) is int and 0 <= worker < MAX_WORKERS else None


def is_mp(client: Client) -> bool:
    """Return whether the server is an MP server, LMCache's or ours; raises `Failure` if it does not respond."""
    try:
        return bool(client.json("GET", "/", type=dict[str, Any]).get("service") == MP_SERVICE)
    except Failure as failure:
        if failure.unreachable:
            raise
        return False


def fetch_world_size(client: Client) -> int:
    """Return the number of workers that a rank reports; raises `Failure` if it reports none, or too many."""
    count = _meta(client, "world_size").get("world_size")
    if not (type(count) is int and 0 <= count <= MAX_WORKERS):
        raise Failure(f"/meta has no usable world_size ({count!r:.40}); expected 0 to {MAX_WORKERS}")
    return count


def _meta(client: Client, names: str) -> dict[str, Any]:
    return dict(client.json("GET", "/meta", params={"names": names}, type=dict[str, Any]))
