"""With data parallelism, only the first replica of a machine has servers."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if vLLM has several replicas."""
    replicas = rank["inference.data_parallel_size"]
    if replicas > 1:
        yield Finding(
            message=f"vLLM has {replicas} replicas (data parallelism), and only the first of each machine has servers.",
            evidence={"data_parallel_size": replicas},
        )


trouble = Trouble(
    code="replicas-without-server",
    group="deployment",
    title="Replicas of vLLM have no server",
    severity="notice",
    meaning="The replicas of vLLM's data parallelism would all use the same ports, because the port depends on the "
    "number of the worker only. So LMCache starts servers only in the first replica of each machine. The metrics, the "
    "modes and the troubles of the other replicas are not visible.",
    confirm="`GET /inference_info` shows data_parallel_size, and no port answers for the other replicas.",
    next_step="Start one vLLM per replica, each with its own internal_api_server_port_start, if all replicas have to "
    "be monitored.",
    needs=("inference.data_parallel_size",),
    roles=("scheduler", "worker"),
    in_rank=find,
)
