"""How a trouble is declared, and what its rule yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from .ranks import Rank, Role

Severity = Literal["error", "warning", "notice"]
"""`error`: the cache does not work as intended. `warning`: it will not, or only in part. `notice`: worth knowing."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "notice")
"""All severities, worst first."""

Group = Literal["hashing", "shape", "mode", "metrics", "deployment", "prompt"]
"""The part of a deployment that a trouble is about; the runbook is ordered by it."""

GROUPS: tuple[Group, ...] = ("hashing", "shape", "mode", "metrics", "deployment", "prompt")
"""All groups, in the order of the runbook."""


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule found.

    Attributes:
        message: what is wrong in this deployment, with the values; one sentence. Findings of several ranks with the
            same message become one, so values that are not the same in each rank belong in `evidence`.
        evidence: the facts that prove it; JSON data without secrets.
        ranks: the names of the affected ranks; empty for all ranks that the rule was given.
        severity: another severity than the trouble's, where this case is more or less serious.
    """

    message: str
    evidence: dict[str, Any]
    ranks: Sequence[str] = ()
    severity: Severity | None = None


class Trouble(Struct, frozen=True, kw_only=True):
    """A known trouble: what it is, how to find it, and what to do.

    A trouble has one rule, `in_rank` or `in_fleet`, or none if only another part of the product, such as
    `POST /cache/explain`, reports it.

    Attributes:
        code: the name of the file in `catalogue/`, with hyphens. It is the anchor in docs/runbook.md.
        group: the part of a deployment that it is about.
        title: the trouble in a few words, such as "PYTHONHASHSEED is not set".
        severity: how serious it is.
        meaning: what happens, and why; two to four sentences.
        confirm: how an operator confirms it.
        next_step: what to do; imperative.
        reference: the issue or pull request upstream, as in "LMCache #2511".
        needs: the facts that the rule reads, as paths such as `config.chunk_size`.
        roles: the processes in which it can occur; the rule is not given other ranks.
        in_rank: yields findings from the facts of one rank.
        in_fleet: yields findings from the facts of two or more ranks.
    """

    code: str
    group: Group
    title: str
    severity: Severity
    meaning: str
    confirm: str
    next_step: str
    reference: str = ""
    needs: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ("scheduler", "worker", "mp")
    in_rank: Callable[[Rank], Iterable[Finding]] | None = None
    in_fleet: Callable[[Sequence[Rank]], Iterable[Finding]] | None = None
