"""Some ranks have no server."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the configuration gives some ranks no server."""
    listed = rank["config.internal_api_server_include_index_list"]
    missing = sorted({*range(1 + rank["metadata.world_size"])} - {*listed}) if listed else []
    if missing:
        yield Finding(
            message=f"internal_api_server_include_index_list leaves out {len(missing)} ranks, so they have no server.",
            evidence={"internal_api_server_include_index_list": listed, "indices without a server": missing[:100]},
        )


trouble = Trouble(
    code="rank-without-server",
    group="deployment",
    title="Some ranks have no server",
    severity="notice",
    meaning="The server of a rank starts only if its index is in internal_api_server_include_index_list: 0 is the "
    "scheduler, 1 + n is worker n. The doctor, /metrics and all other commands see nothing of the other ranks.",
    confirm="`lmcache-internal conf get internal_api_server_include_index_list` shows the list.",
    next_step="Remove the key, so that all ranks have a server, and restart them.",
    needs=(
        "config.internal_api_server_include_index_list",
        "metadata.world_size",
    ),
    roles=("scheduler", "worker"),
    in_rank=find,
)
