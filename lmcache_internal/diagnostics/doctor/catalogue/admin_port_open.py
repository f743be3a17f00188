"""Other machines can reach the admin API."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble

_CHANGES = ("operator", "admin")
"""The roles that can change the engine."""


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the server listens for other machines, and clients with a token can change the engine."""
    if not rank["server.is_private"] and rank["server.tokens_in_use"] and rank["server.max_access"] in _CHANGES:
        yield Finding(
            message=f"The server listens on {rank['server.address']}, where other machines reach it, and accepts "
            f"tokens up to role {rank['server.max_access']} over plain HTTP.",
            evidence={"address": rank["server.address"], "max_access": rank["server.max_access"]},
        )


trouble = Trouble(
    code="admin-port-open",
    group="deployment",
    title="Other machines can reach the admin API",
    severity="notice",
    meaning="The server has no TLS. A client on another machine sends its token in plain text, and anyone who reads it "
    "can change the engine. Without tokens, other machines reach public routes only.",
    confirm="`lmcache-internal get /meta --url http://HOST:PORT` on another machine is refused with 401 instead of a "
    "refused connection.",
    next_step="Listen on loopback or on a Unix socket, with a TLS proxy in front, and give Prometheus the public port "
    "(internal_api_server_public_port_start).",
    needs=(
        "server.is_private",
        "server.address",
        "server.tokens_in_use",
        "server.max_access",
    ),
    roles=("scheduler", "worker"),
    in_rank=find,
)
