"""vLLM runs without a server if its port is in use, and stops on SIGTERM."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support import eventually
from tests.vllm.deployment import CHUNK, Deployment

PROMPT = " ".join(f"seven lazy dogs jump over number {number}" for number in range(80))


def test_a_port_in_use_affects_only_that_server(model: Path, tmp_path: Path) -> None:
    vllm = Deployment(tmp_path, model)
    with socket.create_server(("127.0.0.1", vllm.ports[0])), vllm:
        assert vllm.complete(PROMPT) == vllm.complete(PROMPT)
        assert eventually(lambda: vllm.metric(1, "lmcache:num_hit_tokens_total") >= 4 * CHUNK)
        lines = [line for line in vllm.log().splitlines() if "The internal API server cannot start" in line]
        assert len(lines) == 1
        assert f"Port {vllm.ports[0]} on 127.0.0.1 is in use" in lines[0]
        vllm.stop()
    assert eventually(vllm.is_gone)
