"""The backends hold no chunks."""

from .. import Trouble

trouble = Trouble(
    code="cache-empty",
    group="prompt",
    title="The backends hold no chunks",
    severity="notice",
    meaning="Nothing was stored since the start, or everything was removed: by `DELETE /cache/clear`, by "
    "switching the hot cache off, or because a backend was created again.",
    confirm="`lmcache:num_stored_tokens_total` in `GET /metrics` shows whether tokens were stored.",
    next_step="Send the prompt once, and ask again. If the cache stays empty, see the other reasons and GET /healthz.",
)
