"""LMCache's MP server, served twice: by our server on the given port, by LMCache's own on the next one.

`python -m tests.lmcache.mp_serve --http-port 8080 …`: all arguments are those of `lmcache server`.
"""

from __future__ import annotations

import runpy
import sys
import threading
from typing import Any

import uvicorn

from lmcache_internal.integrations.lmcache_mp import SERVER_MODULE
from lmcache_internal.integrations.mp_server import MPServer

LMCacheServer = uvicorn.Server


class Both(MPServer):
    def _start(self) -> Any:
        port = self.config.port + 1
        # The engine is running: nothing is to be started again.
        config = uvicorn.Config(self.config.app, self.config.host, port, lifespan="off", log_level="warning")
        threading.Thread(target=LMCacheServer(config).run, daemon=True).start()
        return super()._start()


if __name__ == "__main__":
    uvicorn.Server = Both
    sys.argv[0] = SERVER_MODULE
    runpy.run_module(SERVER_MODULE, run_name="__main__", alter_sys=True)
