"""`doctor` over 64 ranks, each in its own process."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from tests.cli.serving import TINY, config_file, run, served
from tests.support import eventually, free_port, slowdown

RANKS = 64
SECONDS = 3.0
"""The longest time for a healthy fleet, in seconds, on an idle machine."""


def test_a_healthy_fleet_of_64_ranks_is_examined_in_three_seconds(tmp_path: Path) -> None:
    config = config_file(tmp_path, free_port(RANKS))
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"internal_api_server_include_index_list": list(range(RANKS))}))
    with served("--config", str(config), "--workers", str(RANKS - 1), *TINY):
        assert eventually(lambda: run("doctor", "--config", str(config)).exit_code == 0)
        times = []
        for _ in range(5):
            busy = slowdown()
            began = time.monotonic()
            result = run("doctor", "--config", str(config))
            times.append((time.monotonic() - began) / max(busy, slowdown()))
    assert result.stdout.startswith(f"Nothing found in {RANKS} ranks.")
    assert min(times) < SECONDS, times
