"""The tokens are stored with another key."""

from .. import Trouble

trouble = Trouble(
    code="stored-under-another-key",
    group="prompt",
    title="The tokens are stored with another key",
    severity="notice",
    meaning="The key of a chunk includes the model, the world size, the rank, the data type, and the tags of "
    "the request (`lmcache.tag.*`, in their order), or the cache salt on an MP server. Requests with "
    "different values do not share chunks, which is intended for tenants.",
    confirm="`evidence` has the parts of both keys that differ.",
    next_step="If the requests may share chunks, send them with the same tags or cache salt, and use equal "
    "settings on all ranks.",
    reference="LMCache #1377, LMCache #2878",
)
