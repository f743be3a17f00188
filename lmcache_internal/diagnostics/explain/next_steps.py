"""What to do about each reason of a miss."""

from __future__ import annotations

NEXT_STEPS: dict[str, str] = {
    "engine-unhealthy": "See GET /healthz for the failed check and the log of the engine for its cause.",
    "below-min-retrieve-tokens": "Lower min_retrieve_tokens with POST /conf, if loading so few tokens is worth it.",
    "bypassed": "Return the backend to service: PUT /bypass/remove?backend_name=NAME.",
    "frozen": "End the freeze mode: PUT /freeze/disable.",
    "hot-cache-off": "Enable the hot cache: PUT /hot_cache/enable, or set local_cpu: true in the configuration.",
    "no-backend": "Configure a backend, and create it with POST /backends.",
    "backend-closed": "Create the backend again: POST /backends.",
    "remote-unreachable": "Restore the connection, or recreate the backend with POST /backends/NAME/recreate.",
    "drained": "Return the rank to rotation: POST /admin/undrain.",
    "being-written": "Ask again in a few seconds.",
    "backend-order": "Nothing is wrong: the chunk is stored in an earlier backend again when the prompt is computed.",
    "not-in-retrieve-locations": "Add the backend to retrieve_locations in the configuration, and restart the engine.",
    "stored-under-another-key": "Send the request with the same tags, to the same model, on ranks with equal settings.",
    "slices-missing": "Compare the logs of the ranks: one of them has not stored its slice, or it was evicted.",
    "gap-in-prefix": "Compare the sizes of the backends with the working set: GET /metrics has usage and evictions.",
    "cache-empty": "Send the prompt once, and ask again. If the cache stays empty, see GET /healthz.",
    "not-cached": "Send the prompt once, and ask again. If it hits then, it was not stored before, or was removed.",
    "prompt-shorter-than-chunk": "Use a smaller chunk_size, or save_unfull_chunk: true, and restart all ranks.",
    "remainder-not-stored": "Nothing is wrong: only whole chunks are stored, unless save_unfull_chunk is true.",
}
"""Code to next step."""
