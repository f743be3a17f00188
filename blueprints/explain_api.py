"""Explain a miss: which chunks of a prompt are cached, and why the others are not."""

from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import BadRequest, Meta, Role, Struct, TokenRange, adapter, modes, operation, runtime
from lmcache_internal.conversion import MAX_TOKENS
from lmcache_internal.diagnostics.explain.explanation import Explanation
from lmcache_internal.diagnostics.explain.in_process import explain as explain_tokens

router = Blueprint("explain", __name__, url_prefix="/cache")

_Token = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Name = Annotated[str, Meta(max_length=256)]
_Value = Annotated[str, Meta(max_length=1024)] | int | float | bool | None


class ExplainRequest(Struct):
    """The tokens of a prompt, and the `request_configs` that are sent with it, such as `lmcache.tag.*`."""

    tokens: Annotated[list[_Token], Meta(min_length=1, max_length=MAX_TOKENS)] | None = None
    request_configs: Annotated[dict[_Name, _Value], Meta(max_length=64)] | None = None


@router.post("/explain")
@operation(action="explain the cache", access=Role.VIEWER)
def explain(request: ExplainRequest | None = None, tokens_mock: TokenRange | None = None) -> Explanation:
    """Show which chunks of a prompt are cached, and why the others are not.

    The prompt is `tokens` in the body, or the range `tokens_mock`. Nothing is moved, pinned or counted.
    """
    tokens = request.tokens if request else None
    if (tokens is None) == (tokens_mock is None):
        raise BadRequest('Send either {"tokens": […]} as the body or tokens_mock=START,END in the query.')
    configs = request.request_configs if request else None
    return explain_tokens(adapter(), runtime(), modes(), tokens or list(tokens_mock or ()), configs)
