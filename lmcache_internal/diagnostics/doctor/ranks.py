"""The facts of one rank, by path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...conversion import cut

_LONGEST_REASON = 300

Role = Literal["scheduler", "worker", "mp"]
"""`mp` is LMCache's multi-process server."""

NOT_COLLECTED = "not_collected"
"""The facts' key for the groups that could not be collected: group to reason."""


class MissingFact(LookupError):
    """A fact that a rank does not have; the text says why."""


class Rank:
    """The facts of one process of a deployment.

    Args:
        name: its name in reports, such as "worker 0".
        facts: the facts by group, as `GET /doctor` returns them.
    """

    def __init__(self, name: str, facts: Mapping[str, Any]) -> None:
        self.name = name
        self.facts = facts

    @property
    def role(self) -> Role | None:
        """The role of the process; None if it is unknown."""
        role = self.get("rank.role")
        return role if role in ("scheduler", "worker", "mp") else None

    def __getitem__(self, path: str) -> Any:
        """Return a fact by its path, such as `config.chunk_size`; raises `MissingFact`."""
        found: Any = self.facts
        for name in path.split("."):
            if not isinstance(found, Mapping) or name not in found:
                raise MissingFact(self._why_missing(path))
            found = found[name]
        return found

    def get(self, path: str, default: Any = None) -> Any:
        """Return a fact by its path, or `default` if the rank does not have it."""
        try:
            return self[path]
        except MissingFact:
            return default

    def missing(self, paths: tuple[str, ...]) -> str:
        """Return why the first missing fact of `paths` is missing; empty if the rank has all of them."""
        for path in paths:
            try:
                self[path]
            except MissingFact as missing:
                return str(missing)
        return ""

    def _why_missing(self, path: str) -> str:
        group = path.partition(".")[0]
        # The facts of another server may have any size, and every rule that needs the group repeats the reason.
        reason = cut(str(self.facts.get(NOT_COLLECTED, {}).get(group) or ""), _LONGEST_REASON)
        if reason and group not in self.facts:
            return f"the server did not report {group}.*: {reason}"
        return f"the server did not report {path}" + (f": {reason}" if reason else "")


def rank_name(facts: Mapping[str, Any]) -> str:
    """Return the name of a rank in reports: "scheduler", "worker 3", "MP server"; empty if it is unknown."""
    role, worker = facts.get("rank", {}).get("role"), facts.get("rank", {}).get("worker_id")
    if role == "worker" and isinstance(worker, int):
        return f"worker {worker}"
    return "scheduler" if role == "scheduler" else "MP server" if role == "mp" else ""
