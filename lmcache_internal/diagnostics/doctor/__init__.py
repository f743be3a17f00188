"""Known troubles of a deployment, and how to find them, for `GET /doctor` and `lmcache-internal doctor`.

A trouble is declared once, in a file of `catalogue/`. Its rule is a function of facts, and facts are data that
`collectors/` read in each process. So the same rule runs in one rank, and in the command line over all ranks.

To add a trouble, add a file to `catalogue/`. If its rule needs a new fact, add a field to a file of `collectors/`, or a
new file. Both are found by their names. The catalogue and the rules import neither Flask nor the engine.
"""

from .comparisons import differs
from .ranks import MissingFact, Rank
from .trouble import Finding, Trouble

__all__ = ["Finding", "MissingFact", "Rank", "Trouble", "differs"]
