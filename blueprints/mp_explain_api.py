"""Explain a miss of an MP server: which chunks of a prompt are in L1 and L2, and why the others are not."""

from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import (
    ApiError,
    Meta,
    Role,
    Struct,
    TokenRange,
    carry_detail,
    internal_app,
    mp_engine,
    mp_runtime,
    operation,
)
from lmcache_internal.diagnostics.explain.explanation import Explanation
from lmcache_internal.diagnostics.explain.mp import explain as explain_prompt
from lmcache_internal.diagnostics.explain.mp import model_of
from lmcache_internal.diagnostics.explain.seen import SEEN_KEY
from lmcache_internal.engine.mp.runtime import CacheSalt, ModelName, Prompt
from lmcache_internal.operations.token_range import TokenList, one_of

router = Blueprint("mp_explain", __name__, url_prefix="/cache")
engines = ("mp",)
carry_detail(router, ApiError)


class ExplainRequest(Struct):
    """A prompt as a worker looks it up; the only registered model by default."""

    tokens: TokenList | None = None
    cache_salt: CacheSalt = ""
    model_name: ModelName | None = None
    world_size: Annotated[int, Meta(ge=1, le=65536)] | None = None


@router.post("/explain")
@operation(action="explain the cache", access=Role.VIEWER, limit="explain")
def explain(request: ExplainRequest | None = None, tokens_mock: TokenRange | None = None) -> Explanation:
    """Show which chunks of a prompt are in L1 and L2, and why the others are not.

    The prompt is `tokens` in the body, or the range `tokens_mock`. Nothing is loaded, locked or counted.
    """
    given = request or ExplainRequest()
    tokens = one_of(given.tokens, tokens_mock)
    model, world_size = model_of(mp_engine().report_status(), given.model_name, given.world_size)
    return explain_prompt(
        mp_runtime(), internal_app().extensions[SEEN_KEY], Prompt(model, world_size, tokens, given.cache_salt)
    )
