"""The endpoint that explains a prompt on all or chosen ranks, as the command `explain` does."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint

from ...conversion import MAX_TOKENS, parse_tokens
from ...errors import BadRequest
from ..client import Client
from ..explain.compare import add_differences
from ..explain.explanation import Explanation, fetch_explanation
from ..next_steps import completed
from ..outcome import Outcome
from ..text import one_line
from .body import body_of
from .fleet_api import SECONDS
from .grouping import failures
from .state import Gateway, gateway

LONGEST_TEXT = 600
MAX_REASONS = 5
"""The reasons of a rank that are shown, the most important first."""

router = Blueprint("explain", __name__, url_prefix="/fleet")


class _Prompt(msgspec.Struct, forbid_unknown_fields=True):
    range: str | None = None
    tokens: Annotated[list[int], msgspec.Meta(max_length=MAX_TOKENS)] | None = None
    ranks: list[int] | None = None

    def all_tokens(self) -> list[int]:
        """Return the tokens; raises `BadRequest` (400)."""
        if (self.range is None) == (self.tokens is None):
            raise BadRequest("Send either tokens, a list, or range, such as 0:512")
        if self.range is None:
            return self.tokens or []
        try:
            return list(parse_tokens(self.range))
        except ValueError as error:
            raise BadRequest(f"Invalid range: {error}") from error


@router.post("/explain")
def explain() -> dict[str, Any]:
    """Return what each chosen rank has of a prompt, and why not all; the keys of the ranks are compared."""
    state = gateway()
    wanted = body_of(_Prompt)
    body = {"tokens": wanted.all_tokens()}

    def ask(client: Client) -> Explanation:
        return fetch_explanation(client, body)

    with state.job():
        outcomes = add_differences(state.fleet.narrowed(state.targets(wanted.ranks), SECONDS).each(ask))
    rows = [_row(state, outcome) for outcome in outcomes if outcome.ok]
    return {"ranks": [row for row in rows if row["number"] is not None], "failed": failures(outcomes, state.label)}


def _row(state: Gateway, outcome: Outcome) -> dict[str, Any]:
    found: Explanation = outcome.data
    number = state.ranks.number(outcome.target)
    rank = None if number is None else state.ranks.by_number.get(number)
    return {
        "number": number,
        "name": outcome.target.address if rank is None else rank.name,
        "tokens": found.tokens,
        "chunk_size": found.chunk_size,
        "hit_tokens": found.hit_tokens,
        "remainder_tokens": found.remainder_tokens,
        "reasons": [
            {
                "code": one_line(reason.code, LONGEST_TEXT),
                "message": one_line(reason.message, LONGEST_TEXT),
                "next_step": one_line(
                    completed(reason.next_step, state.fleet, [outcome.target], reason.evidence), LONGEST_TEXT
                ),
            }
            for reason in found.reasons[:MAX_REASONS]
        ],
    }
