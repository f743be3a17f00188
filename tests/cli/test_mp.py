"""`serve --mp` and `mp-server`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.support import accepts, eventually, free_port

COMMAND = [sys.executable, "-m", "lmcache_internal.cli"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=180, check=False)


def test_serve_mp_serves_the_embedded_engine_until_sigterm() -> None:
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "serve", "--mp", str(port), "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert eventually(lambda: accepts(port))
        with urlopen(f"http://127.0.0.1:{port}/status", timeout=60) as response:
            status = json.load(response)
        assert status["registered_gpu_ids"] == [1000, 1001]
        assert status["storage_manager"]["l1_manager"]["total_object_count"] == 8
        (l2,) = status["storage_manager"]["l2_adapters"]
        assert Path(l2["backend"]).is_dir()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert f"MP server listens on http://127.0.0.1:{port}" in output
    assert not Path(l2["backend"]).exists()


def test_serve_mp_says_what_is_wrong_with_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "internal.yaml"
    file.write_text("internal_api_server_port_start: 7\n")
    result = run("serve", "--mp", "--config", str(file))
    assert result.returncode == 1
    assert "the address is set by --http-port" in result.stderr


def test_mp_server_without_lmcache_says_what_to_install() -> None:
    result = run("mp-server", "--http-port", "8080")
    assert result.returncode == 1
    assert "pip install lmcache" in result.stderr


def test_help_names_what_the_options_are() -> None:
    assert "lmcache server --help" in " ".join(run("mp-server", "--help").stdout.split())
    assert "MP server" in " ".join(run("serve", "--help").stdout.split())
