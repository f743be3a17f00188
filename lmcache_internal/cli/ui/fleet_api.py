"""The endpoints of the fleet's page: the poll, and what all ranks have in common."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response

from ...engine.definitions import GENERATED
from ...ui.pages import asset, fleet_page
from ..client import Client
from ..conf.mp_config import read_mp_config
from ..conf.read import fetch_details
from ..fleet import Job
from ..loglevel import fetch_levels
from ..outcome import Outcome
from ..threads import fetch_groups, groups_of
from .grouping import failures, grouped, grouped_stacks
from .state import gateway

SECONDS = 15.0
"""The timeout of a request to all ranks."""
_FIELDS = ("value", "default", "mutable", "takes_effect", "description")

router = Blueprint("fleet", __name__)


@router.get("/")
def show() -> Response:
    """Show the page of the fleet."""
    return fleet_page()


@router.get("/ui/<path:name>")
def part(name: str) -> Response:
    """Get an asset of the page; raises `NotFound` (404)."""
    return asset(name)


@router.get("/fleet/poll")
def poll() -> dict[str, Any]:
    """Ask all ranks, and return a row for each; `time` in ms since the epoch; `problem`: why the list is old."""
    state = gateway()
    return {"ranks": state.ranks.poll(), "time": round(time.time() * 1000), "problem": state.search.problem}


@router.get("/fleet/conf")
def conf() -> dict[str, Any]:
    """Return the settings of all ranks, each value with the ranks that have it; `generated` are different by design."""
    return {**_common(_settings), "generated": sorted(GENERATED)}


@router.get("/fleet/loglevels")
def loglevels() -> dict[str, Any]:
    """Return the log levels of all ranks, each with the ranks that have it."""
    return _common(fetch_levels)


@router.get("/fleet/threads")
def threads() -> dict[str, Any]:
    """Return the stacks of the threads of all ranks, each with the ranks that have it."""
    state = gateway()
    outcomes = [outcome.map(groups_of) for outcome in _ask(lambda client: fetch_groups(client, {"group": "true"}))]
    return {"stacks": grouped_stacks(outcomes, state.label), "failed": failures(outcomes, state.label)}


def _common(job: Job) -> dict[str, Any]:
    state, outcomes = gateway(), _ask(job)
    return {"names": grouped(outcomes, state.label), "failed": failures(outcomes, state.label)}


def _ask(job: Job) -> Sequence[Outcome]:
    state = gateway()
    with state.job():
        return state.fleet.narrowed(state.targets(None), SECONDS).each(job)


def _settings(client: Client) -> dict[str, dict[str, Any]]:
    if client.target.mp:
        found = {name: {"value": value} for name, value in read_mp_config(client, (), details=False).items()}
    else:
        found = fetch_details(client)
    return {name: {field: fields.get(field) for field in _FIELDS} for name, fields in found.items()}
