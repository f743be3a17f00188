"""The tokens file cannot be used."""

from collections.abc import Iterator

from .. import Finding, Rank, Trouble


def find(rank: Rank) -> Iterator[Finding]:
    """Yield a finding if the tokens file cannot be used."""
    problem = rank["server.tokens_problem"]
    if problem:
        yield Finding(message=f"The tokens file cannot be used: {problem}.", evidence={"problem": problem})


trouble = Trouble(
    code="tokens-unreadable",
    group="deployment",
    title="The tokens file cannot be used",
    severity="warning",
    meaning="The server cannot read or trust its tokens file. Tokens that it read before stay valid, so a removed "
    "token still works and a new one does not. After a restart, no token works.",
    confirm="`GET /healthz` fails with the check `tokens`, and the log of the server names the file.",
    next_step="Fix the owner, the mode or the content of the file; the server reads it again at the next request.",
    needs=("server.tokens_problem",),
    in_rank=find,
)
