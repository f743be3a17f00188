"""`python -m lmcache_internal.cli`: the command, where its script is not on the path."""

from . import main

main(prog_name="lmcache-internal")
