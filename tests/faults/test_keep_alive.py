"""Very many requests on keep-alive connections, beside an engine that computes: each gets its response."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.unharmed import serving, unharmed
from tests.support import ROOT, busy_thread, free_port

CLIENTS = 16
REQUESTS = 4000
SECONDS = 900


pytestmark = pytest.mark.usefixtures("unlogged")


def test_each_of_many_requests_is_answered(tmp_path: Path) -> None:
    port = free_port(2)
    settings = {"internal_api_server_public_port_start": port}
    with serving(tmp_path, internal_api_server_port_start=port - 1, extra_config=settings) as server, unharmed(server):
        assert server.port == port
        command = [sys.executable, "-m", "tests.faults.keep_alive", *map(str, (port, port + 1, CLIENTS, REQUESTS))]
        with busy_thread():
            clients = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=SECONDS)
        half = CLIENTS * REQUESTS // 2
        assert json.loads(clients.stdout) == {"served": half, "refused": half}
