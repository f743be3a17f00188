"""A minimal lmcache package with the layout of LMCache, and processes that import it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, free_port

ORIGINAL = """
class InternalAPIServer:
    enable = True
    def __init__(self, manager): print("original created")
    def start(self): print("original started")
    def stop(self): pass
"""
LOGGING = """
import logging, os, sys

def init_logger(name):
    logger = logging.getLogger(name)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("LMCache %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    for one in (logger, handler):
        one.setLevel(os.environ.get("LMCACHE_LOG_LEVEL", "INFO"))
    return logger
"""
HOMES = ["lmcache.v1.internal_api_server.api_server", "lmcache.inprocess.v1.internal_api_server.api_server"]
START = """
from types import SimpleNamespace
import {factory} as factory

manager = SimpleNamespace(config=SimpleNamespace(
    internal_api_server_enabled=True,
    internal_api_server_port_start={port},
    extra_config={extra},
), lmcache_engine=None)
server = factory.make(manager)
server.start()
print("serves", server.enable)
server.stop()
print("the engine continues")
"""


def lay_out(directory: Path, home: str, source: str = ORIGINAL, class_: str = "InternalAPIServer") -> str:
    """Create an lmcache package with its server in the module `home`; return the module of its service factory."""
    files = {"lmcache.logging": LOGGING, home: source.replace("InternalAPIServer", class_)}
    factory = f"{home.split('.v1.')[0]}.integration.factory"
    files[factory] = f"from {home} import {class_}\n\ndef make(manager):\n    return {class_}(manager)\n"
    for module, text in files.items():
        path = directory.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in directory.glob("**/"):
        if package != directory:
            (package / "__init__.py").touch()
    return factory


def run(program: str, *path: Path, **environ: str) -> str:
    """Return the output of a new process."""
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("LMCACHE_")}
    surroundings["PYTHONPATH"] = os.pathsep.join(map(str, [*path, ROOT]))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=surroundings | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def start(factory: str, directory: Path, value: str, extra: str = "{}", before: str = "") -> str:
    """Return the output of a process that calls the vLLM plugin, and then creates and starts LMCache's server."""
    plugin = "from lmcache_internal.integrations.lmcache import vllm_plugin; vllm_plugin()\n"
    program = before + plugin + START.format(factory=factory, extra=extra, port=free_port())
    output = run(program, directory, LMCACHE_INTERNAL_API_SERVER=value)
    assert output.endswith("the engine continues\n")
    return output
