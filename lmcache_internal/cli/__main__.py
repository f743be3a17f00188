"""Run the command as `python -m lmcache_internal.cli`, without an installed script."""

from . import main

main(prog_name="lmcache-internal")
