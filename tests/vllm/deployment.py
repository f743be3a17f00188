"""vLLM on CPU with LMCache, in a separate process group."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.support import eventually, free_port

VENV = Path(os.environ.get("VLLM_VENV") or Path.home() / ".cache" / "lmcache-internal" / "vllm")

START_SECONDS = 420.0
STOP_SECONDS = 90.0
CHUNK = 256
"""Tokens per chunk of LMCache: two blocks of vLLM's on CPU."""

# Without bytecode files, each of vLLM's processes compiles vLLM, which takes a minute.
REMOVED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PROMETHEUS_MULTIPROC_DIR", "VIRTUAL_ENV")
ENVIRON = {
    "HF_HUB_OFFLINE": "1",
    "LMCACHE_INTERNAL_API_SERVER": "lmcache_internal",
    "LMCACHE_TRACK_USAGE": "false",
    "NO_PROXY": "*",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
OPTIONS = (
    *("--served-model-name", "tiny", "--host", "127.0.0.1", "--dtype", "bfloat16", "--max-model-len", "4096"),
    *("--max-num-seqs", "8", "--enforce-eager", "--no-enable-prefix-caching"),
    *("--kv-transfer-config", json.dumps({"kv_connector": "LMCacheConnectorV1", "kv_role": "kv_both"})),
)


class Deployment:
    """A running vLLM.

    Args:
        directory: the directory of its configuration and log.
        model: the directory of the model.
        workers: the tensor parallel size.
        values: values of LMCache's configuration.

    Attributes:
        port: the port of vLLM.
        ports: the ports of the scheduler's and the workers' servers, by index.
        config: LMCache's YAML file.
    """

    def __init__(self, directory: Path, model: Path, workers: int = 1, **values: Any) -> None:
        self.port = free_port(2 + workers)
        self.ports = list(range(self.port + 1, self.port + 2 + workers))
        self.config = directory / "lmcache.yaml"
        self._log = directory / "log"
        settings = {
            "chunk_size": CHUNK,
            "local_cpu": True,
            "max_local_cpu_size": 0.5,
            "internal_api_server_enabled": True,
            "internal_api_server_port_start": self.ports[0],
            "run_script_api_enabled": True,
        }
        self.config.write_text(yaml.safe_dump(settings | values))
        self._command = [str(VENV / "bin" / "vllm"), "serve", str(model), "--port", str(self.port), *OPTIONS]
        self._command += ["--tensor-parallel-size", str(workers)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Deployment:
        environ = {name: value for name, value in os.environ.items() if name not in REMOVED}
        environ |= ENVIRON | {"LMCACHE_CONFIG_FILE": str(self.config)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environ, start_new_session=True, cwd=self.config.parent
            )
        try:
            self._wait_until_it_serves(self._process)
        except BaseException:
            self._kill_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._kill_all()

    def stop(self) -> None:
        """Send SIGTERM and wait until vLLM's first process has ended."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)

    def is_gone(self) -> bool:
        """Return whether all its processes have ended and no port is open."""
        return not self._has_processes() and not any(map(_listens, [self.port, *self.ports]))

    def log(self) -> str:
        """Return the output of all its processes."""
        return self._log.read_text(errors="replace")

    def complete(self, prompt: str) -> str:
        """Return the model's completion of `prompt`."""
        body = {"model": "tiny", "prompt": prompt, "max_tokens": 4, "temperature": 0}
        status, text = self._ask(self.port, "POST", "/v1/completions", json.dumps(body).encode())
        assert status == 200, text
        completed: str = json.loads(text)["choices"][0]["text"]
        return completed

    def chat(self, messages: list[dict[str, str]]) -> None:
        """Send chat messages to the model."""
        body = {"model": "tiny", "messages": messages, "max_tokens": 1, "temperature": 0}
        status, text = self._ask(self.port, "POST", "/v1/chat/completions", json.dumps(body).encode())
        assert status == 200, text

    def vllm_metrics(self) -> str:
        """GET /metrics of vLLM itself."""
        return self._ask(self.port, "GET", "/metrics")[1]

    def ask(
        self,
        index: int,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Return status and body of a request to the server of the scheduler (0) or of worker `index` - 1."""
        return self._ask(self.ports[index], method, path, body, headers)

    def get(self, index: int, path: str, method: str = "GET") -> Any:
        """Return the JSON of a response, which must be 200."""
        status, text = self.ask(index, path, method)
        assert status == 200, text
        return json.loads(text)

    def metric(self, index: int, name: str) -> float:
        """Return the sum of a metric's series; 0 if there are none."""
        values = re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", self.ask(index, "/metrics")[1], re.MULTILINE)
        return sum(map(float, values))

    def command(self, *arguments: str) -> str:
        """Return the output of `lmcache-internal` in vLLM's environment."""
        command = [str(VENV / "bin" / "lmcache-internal"), *arguments, "--config", str(self.config), "--timeout", "20"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def slots(self, operation: str) -> str:
        """Return the slots that the last store or retrieve has logged, in the format of /cache/kvcache/check."""
        logged: list[str] = []

        def found() -> bool:
            pattern = rf"\[KVCache Check\] {operation} request \S+, tokens=\d+, slot_mapping: \[(.*)\] "
            logged[:] = re.findall(pattern, self.log(), re.IGNORECASE)
            return bool(logged)

        assert eventually(found), f"no slots of a {operation} in the log"
        return logged[-1].replace(" ", "")

    def _wait_until_it_serves(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while not _listens(self.port) or self._ask(self.port, "GET", "/health")[0] != 200:
            assert process.poll() is None, f"vLLM has not started:\n{self.log()[-6000:]}"
            assert time.monotonic() < until, f"vLLM does not serve after {START_SECONDS} s:\n{self.log()[-6000:]}"
            time.sleep(0.5)

    def _ask(
        self, port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers or {}, method=method)
        if body is not None and headers is None:
            request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def _has_processes(self) -> bool:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _kill_all(self) -> None:
        if self._process is not None and self._has_processes():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
