"""Explain a miss: which chunks of a prompt are cached, and why the others are not."""

from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import Meta, Role, Struct, TokenRange, adapter, internal_app, modes, operation, runtime
from lmcache_internal.diagnostics.explain.explanation import Explanation
from lmcache_internal.diagnostics.explain.in_process import explain as explain_tokens
from lmcache_internal.diagnostics.explain.seen import SEEN_KEY
from lmcache_internal.operations.token_range import TokenList, one_of

router = Blueprint("explain", __name__, url_prefix="/cache")

_Name = Annotated[str, Meta(max_length=256)]
_Value = Annotated[str, Meta(max_length=1024)] | int | float | bool | None


class ExplainRequest(Struct):
    """The tokens of a prompt, and the `request_configs` that are sent with it, such as `lmcache.tag.*`."""

    tokens: TokenList | None = None
    request_configs: Annotated[dict[_Name, _Value], Meta(max_length=64)] | None = None


@router.post("/explain")
@operation(action="explain the cache", access=Role.VIEWER, limit="explain")
def explain(request: ExplainRequest | None = None, tokens_mock: TokenRange | None = None) -> Explanation:
    """Show which chunks of a prompt are cached, and why the others are not.

    The prompt is `tokens` in the body, or the range `tokens_mock`. Nothing is moved, pinned or counted.
    """
    given = request or ExplainRequest()
    return explain_tokens(
        adapter(),
        runtime(),
        modes(),
        internal_app().extensions[SEEN_KEY],
        one_of(given.tokens, tokens_mock),
        given.request_configs,
    )
