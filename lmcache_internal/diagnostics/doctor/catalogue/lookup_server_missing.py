"""A worker does not answer the lookups of the scheduler."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if a worker that the scheduler asks has no lookup server."""
    if rank["lookup.server"] is None and _is_expected(rank):
        yield Finding(
            message="The worker has no lookup server, so lookups of the scheduler fail or time out.",
            evidence={"lookup server": None, "worker": rank["rank.worker_id"]},
        )


def _is_expected(rank: Rank) -> bool:
    """Return whether LMCache starts a lookup server on this worker of vLLM."""
    if rank.get("config.external_lookup_client") is not None:
        return False
    if rank.get("config.enable_scheduler_bypass_lookup"):
        return False  # The scheduler looks into the storage itself.
    workers = rank.get("config.lookup_server_worker_ids") or ([0] if rank.get("metadata.use_mla") else None)
    return workers is None or rank["rank.worker_id"] in workers


trouble = Trouble(
    code="lookup-server-missing",
    group="mode",
    title="A worker has no lookup server",
    severity="error",
    meaning="The scheduler asks the lookup servers of the workers how many tokens of a prompt are cached, and uses "
    "the smallest number. If one worker does not respond, the lookup times out and counts as a miss, which also "
    "delays each request.",
    confirm="`lmcache-internal get /lookup/info` shows the class of the server of each worker, or `None`.",
    next_step="Create it with `POST /lookup/create` on the worker; if that fails, read the worker's log from its "
    "start.",
    needs=(
        "lookup.server",
        "rank.worker_id",
        "inference.vllm",
    ),
    roles=("worker",),
    in_rank=find,
)
