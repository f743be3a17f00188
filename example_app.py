"""Serve the internal API of a scheduler and a worker on the embedded engine.

    python example_app.py --config examples/lmcache.yaml

The same as `lmcache-internal serve`, with the example's configuration. The embedded engine is
for trying, for plugins and for tests; LMCache is for production.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lmcache_internal.cli.serve import serve

if __name__ == "__main__":
    config = Path(__file__).parent / "examples" / "lmcache.yaml"
    serve(["--config", str(config), *sys.argv[1:]], prog_name="example_app.py")
