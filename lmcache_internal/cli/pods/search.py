"""Find the servers in the pods that `--kubernetes` chooses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import click

from ..client import Client, Failure
from ..credentials import BearerToken
from ..discovery import MAX_WORKERS, fetch_world_size, is_mp
from ..fleet import Fleet
from ..outcome import Found
from ..output import Screen
from ..registries import Group
from ..targets import format_numbers
from .kubeconfig import cluster_of, contexts, require_client
from .names import Choice
from .ranks import INDEX_ANNOTATION, PodServers

MAX_SERVERS = 1024
"""The largest number of servers that a command asks through the Kubernetes API."""

_ENDED = ("Succeeded", "Failed")


def find_pods(
    chosen: Sequence[str], indices: Collection[int], token: BearerToken | None, seconds: float, screen: Screen
) -> Found:
    """Find the servers. A pod that cannot be used has one entry, with the reason.

    Args:
        chosen: the values of `--kubernetes`.
        indices: the ranks to ask in each pod; all if empty.
        token: the bearer token to send to the servers, or None.
        seconds: the time limit for each step: to list the pods, and to ask the first server of each.
        screen: for the messages during the search.

    Raises:
        click.ClickException: the API cannot be used, no pod matches, or too many do.
    """
    require_client()
    known = contexts()
    pods = [pod for text in chosen for pod in _listed(Choice.parse(text, known), indices, seconds)]
    asked = {pod.at(0): pod for pod in pods if pod.ranks is None and pod.failure is None}
    for outcome in Fleet(Found(list(asked)), token, seconds, screen).outcomes(_ranks):
        asked[outcome.target].learn(outcome)
    targets = list(dict.fromkeys(target for pod in pods for target in pod.targets()))
    if not targets:
        raise click.ClickException(f"No pod has a server with index {format_numbers(indices)}.")
    if len(targets) > MAX_SERVERS:
        raise click.ClickException(
            f"{len(targets)} servers match, and a command asks at most {MAX_SERVERS}; narrow the selector."
        )
    return Found(targets, {pod.failure.target: pod.failure for pod in pods if pod.failure}, volatile=True)


def _listed(choice: Choice, indices: Collection[int], seconds: float) -> Iterator[PodServers]:
    """Yield the pods of a choice, without those that have ended, such as evicted pods."""
    found = cluster_of(choice.context).pods(choice.namespace, choice.selector, seconds)
    running = [pod for pod in found if pod.status.phase not in _ENDED]
    if not running:
        raise click.ClickException(
            f"No pod in namespace {choice.namespace!r} matches {choice.selector!r}. "
            "Choose others with --kubernetes NAMESPACE:SELECTOR."
        )
    for pod in running:
        yield PodServers(choice.pod(pod.metadata.name), pod, indices)


def _ranks(client: Client) -> set[int] | None:
    """Ask the first server of a pod for the ranks of the pod; None if it is an MP server."""
    try:
        groups: list[Group] = client.json("GET", "/sd/prometheus", type=list[Group])
    except Failure as failure:
        # LMCache's own servers have no service discovery. With API keys, its MP server responds with 401 to any path.
        if failure.status not in (401, 404):
            raise
        return None if is_mp(client) else set(range(1 + fetch_world_size(client)))
    if any(group.is_mp for group in groups):
        return None
    ranks = {group.index for group in groups if group.index is not None}
    if not ranks or len(ranks) > 1 + MAX_WORKERS or min(ranks) < 0:
        raise Failure(f"the scheduler lists no usable ranks; set the annotation {INDEX_ANNOTATION} of the pod")
    return ranks
