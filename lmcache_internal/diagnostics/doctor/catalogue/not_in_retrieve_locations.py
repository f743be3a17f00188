"""Lookups do not search the backend that has the chunk."""

from .. import Trouble

trouble = Trouble(
    code="not-in-retrieve-locations",
    group="prompt",
    title="Lookups do not search the backend that has the chunk",
    severity="warning",
    meaning="With retrieve_locations, LMCache's lookup searches only the named backends. The scheduler then "
    "reports fewer hits than the workers could load, and the tokens are computed.",
    confirm="`lmcache-internal conf get retrieve_locations` shows the searched backends.",
    next_step="Add the backend to retrieve_locations in the configuration, and restart the engine.",
    roles=("worker",),
)
