"""An MP server and in-process engines are in one deployment."""

from collections.abc import Iterator, Sequence

from .. import Finding, Rank, Trouble


def find(ranks: Sequence[Rank]) -> Iterator[Finding]:
    """Yield a finding if there are both MP servers and workers with an engine in their process."""
    by_role = {role: [rank.name for rank in ranks if rank.role == role] for role in ("mp", "worker")}
    if all(by_role.values()):
        yield Finding(
            message="There are MP servers and workers with an engine in their process; they do not share chunks.",
            evidence={"MP servers": by_role["mp"], "in-process workers": by_role["worker"]},
        )


trouble = Trouble(
    code="mp-server-beside-in-process",
    group="deployment",
    title="An MP server runs beside in-process engines",
    severity="warning",
    meaning="vLLM uses LMCache either in its own process (LMCacheConnectorV1) or through an MP server "
    "(LMCacheMPConnector). Workers with an in-process engine neither read nor write the cache of an MP server, so its "
    "memory is reserved for nothing.",
    confirm="`GET /meta` of a worker has a model if its engine is in its process. The --kv-transfer-config of vLLM "
    "names the connector.",
    next_step="Use one connector for all replicas of vLLM, and stop the MP server if it has no workers.",
    needs=("rank.role",),
    in_fleet=find,
)
