"""Some slices of a chunk are missing."""

from .. import Trouble

trouble = Trouble(
    code="slices-missing",
    group="prompt",
    title="Some slices of a chunk are missing",
    severity="warning",
    meaning="On an MP server, a chunk has one slice for each rank and group of layers, and is a hit only with "
    "all of them. Slices are stored and evicted one by one, so that some of them may be missing.",
    confirm="`GET /cache/objects` names the slices in L2 by `kv_rank` and `object_group_id`.",
    next_step="Compare the logs of the ranks: one of them did not store its slice, or L1 is too small and evicted it.",
    reference="LMCache #4832",
    roles=("mp",),
)
