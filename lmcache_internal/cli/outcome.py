"""The results of asking servers: which were found, and what each answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .client import Failure
from .targets import Target
from .text import one_line


@dataclass(frozen=True)
class Outcome:
    """The result of one server.

    Attributes:
        target: the server.
        data: what the job returned; None if it failed.
        error: why it failed, or None.
        body: the JSON body of a refusal, if any.
        unsure: whether the server may have carried out the request although the job failed.
        unreachable: whether the server did not answer at all.
        status: the HTTP status of a refusal, or None.
    """

    target: Target
    data: Any = None
    error: str | None = None
    body: Any = None
    unsure: bool = False
    unreachable: bool = False
    status: int | None = None

    @classmethod
    def of(cls, target: Target, failure: Failure) -> Outcome:
        """Return the outcome of a job that raised `failure`."""
        return cls(target, None, str(failure), failure.body, failure.unsure, failure.unreachable, failure.status)

    @classmethod
    def unusable(cls, target: Target, error: Exception) -> Outcome:
        """Return the outcome of an answer that a command could not use."""
        return cls(target, error=f"unusable answer ({one_line(f'{type(error).__name__}: {error}')})", unsure=True)

    @property
    def ok(self) -> bool:
        """Whether the job succeeded."""
        return self.error is None

    def map(self, change: Callable[[Any], Any]) -> Outcome:
        """Return the same outcome with its data changed; data that `change` cannot use make it a failure."""
        if not self.ok:
            return self
        try:
            return replace(self, data=change(self.data))
        except Failure as failure:
            return Outcome.of(self.target, failure)
        except Exception as error:  # The data came from a server: whatever is wrong with them is its failure.
            return Outcome.unusable(self.target, error)

    def public(self) -> dict[str, Any]:
        """Return the entry of this server in `--json`."""
        result = {"data": self.data} if self.ok else {"error": self.error}
        return {**self.target.public(), "ok": self.ok, **result}


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        targets: the servers.
        failed: the servers that did not answer during the search.
        counted: whether the number of ranks is known, where it matters.
        problem: why it is not known, if a server that answers refused to say.
        volatile: whether servers come and go, as pods do.
    """

    targets: Sequence[Target]
    failed: Mapping[Target, Outcome] = field(default_factory=dict)
    counted: bool = True
    problem: str | None = None
    volatile: bool = False

    @property
    def complete(self) -> bool:
        """Whether another search would find nothing more."""
        return self.counted and not self.failed and not self.volatile
