"""The response of `POST /cache/explain`, and how a server is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ..client import Client, Failure

_Count = Annotated[int, Meta(ge=0, le=1 << 40)]

_NOT_OURS = "POST /cache/explain is unknown: this is LMCache's own server, which cannot explain a miss"
_OLDER = (
    "POST /cache/explain is unknown: this server is older than the command, or serves an engine that it cannot explain"
)


class Chunk(Struct):
    """One chunk of the prompt.

    Attributes:
        start: index of its first token.
        end: index after its last token.
        key: the engine's key: `chunk_hash`, `model_name`, and more.
        backends: the names of the backends that have it.
        storage: `memory`, `disk` or `remote`; None if no backend has it.
        hit: whether a backend in service has it.
    """

    start: _Count
    end: _Count
    key: dict[str, Any]
    backends: list[str] = []
    storage: str | None = None
    hit: bool = False


class Reason(Struct):
    """Why tokens are missing.

    Attributes:
        code: the name of the trouble, as in the runbook.
        message: one sentence.
        evidence: the values that the message is based on.
        next_step: what the operator can do.
    """

    code: str
    message: str
    evidence: dict[str, Any] = {}
    next_step: str = ""


class Explanation(Struct):
    """What one rank has of the prompt.

    Attributes:
        tokens: the number of tokens in the prompt.
        chunk_size: the number of tokens in a chunk.
        hit_tokens: the tokens at the start that the engine would retrieve; None for a rank that only makes keys, such
            as a scheduler.
        missing_tokens: the tokens of other full chunks; None in the same case.
        remainder_tokens: the tokens at the end that do not fill a chunk.
        chunks: the chunks, in the order of the prompt.
        reasons: why tokens are missing, the most important first.
        not_checked: what could not be looked at, and why.
    """

    tokens: _Count
    chunk_size: _Count
    hit_tokens: _Count | None
    missing_tokens: _Count | None
    remainder_tokens: _Count
    chunks: list[Chunk]
    reasons: list[Reason] = []
    not_checked: list[str] = []

    def public(self) -> dict[str, Any]:
        """Return the data of this rank in `--json`."""
        return dict(msgspec.to_builtins(self))


def fetch_explanation(client: Client, body: Mapping[str, Any]) -> Explanation:
    """Ask one server about the tokens in `body`.

    Raises:
        Failure: the server failed, or has no such route.
    """
    try:
        found: Explanation = client.json("POST", "/cache/explain", type=Explanation, json=body)
    except Failure as failure:
        if failure.status not in (404, 405):
            raise
        # FastAPI, which LMCache's own server is built on, names the reason "detail".
        foreign = isinstance(failure.body, dict) and "detail" in failure.body
        raise Failure(_NOT_OURS if foreign else _OLDER, failure.status, failure.body) from failure
    if "cache_salt" in body and not any("cache_salt" in chunk.key for chunk in found.chunks):
        found.not_checked.append("--cache-salt: the keys of this engine have no salt")
    return found
