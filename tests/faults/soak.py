"""Mixed traffic at full speed against a server in its own process: `make soak`.

Prints the counts of responses, and memory, threads and descriptors of the server. Exits with 1 if the memory grows or
if a response is not as expected.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import logging
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lmcache_internal import InternalAPIServer
from tests.faults.test_connections import reset
from tests.support import CHUNK, ROOT, free_port, make_manager, upload

CLIENTS = 8
REPORT_SECONDS = 10
SAMPLE_SECONDS = 0.5
FLAT_BYTES = 4 << 20
"""The largest allowed growth from the median of the second quarter to the median of the last quarter.

At some thousand requests per second, a leak of 32 bytes per request exceeds it in three minutes. Growth that is not
a leak stays below it: heap fragmentation with a changing number of threads, and source lines that stacks quote.
"""

Client = Callable[["Traffic", random.Random], None]


class Traffic:
    """The clients' requests, and their results.

    Args:
        port: the port of the server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def run(self, seed: int) -> None:
        """Run one client until `stopping` is set."""
        chance = random.Random(seed)
        kinds: list[Client] = [reads, writes, scripts, bad_input, aborts]
        while not self.stopping.is_set():
            kind = chance.choices(kinds, [50, 25, 5, 12, 8])[0]
            try:
                kind(self, chance)
            except (OSError, http.client.HTTPException) as error:
                self.count(f"{kind.__name__}: {type(error).__name__}", good=False)

    def count(self, answer: str, good: bool = True) -> None:
        """Count one response."""
        with self._lock:
            self.answers[answer] += 1
            if not good:
                self.wrong[answer] += 1

    def ask(self, expected: set[int], *requests: tuple[str, str, bytes | None, dict[str, str]]) -> None:
        """Send requests over one connection."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as client:
            for request in requests:
                client.request(*request)
                response = client.getresponse()
                response.read()
                self.count(str(response.status), response.status in expected)

    def connect(self) -> socket.socket:
        """Return a raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


def reads(traffic: Traffic, chance: random.Random) -> None:
    """Read various routes on a keep-alive connection; a scrape above the limit is a 503."""
    paths = ["/", "/conf", "/lmc_version", "/metrics", "/threads", "/meta", "/livez", "/backends", "/nowhere"]
    traffic.ask({200, 404, 503}, *(("GET", chance.choice(paths), None, {}) for _ in range(10)))


def writes(traffic: Traffic, chance: random.Random) -> None:
    """Store, retrieve, clear."""
    start = chance.randrange(500) * CHUNK
    tokens = f"tokens_mock={start},{start + 4 * CHUNK}"
    traffic.ask(
        {200},
        ("POST", f"/cache/store?{tokens}", None, {}),
        ("POST", f"/cache/retrieve?{tokens}", None, {}),
        *([("DELETE", "/cache/clear", None, {})] if chance.random() < 0.05 else []),
    )


def scripts(traffic: Traffic, chance: random.Random) -> None:
    """Run a script that computes or fails; a third concurrent one is refused (503)."""
    sources = [b"result = sum(range(1000))", b"raise SystemExit(1)", b"print('x' * 10000)", b"def f(): f()\nf()"]
    body, headers = upload(chance.choice(sources))
    traffic.ask({200, 500, 503}, ("POST", "/run_script", body, headers))


def bad_input(traffic: Traffic, chance: random.Random) -> None:
    """Send requests that are not HTTP, too large, or not JSON."""
    broken = [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /conf HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{]",
        chance.randbytes(200) + b"\r\n\r\n",
    ]
    with traffic.connect() as client:
        client.sendall(chance.choice(broken))
        status = client.recv(4096)[9:12].decode("latin-1")
        traffic.count(status, status in ("400", "413", "431"))


def aborts(traffic: Traffic, chance: random.Random) -> None:
    """Send half a request, or a complete one without waiting for the response."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = traffic.connect()
    client.sendall(request[: chance.randrange(len(request) + 1)])
    (reset if chance.random() < 0.5 else socket.socket.close)(client)
    traffic.count("aborted")


class Server:
    """The server's process, and its resources."""

    def __init__(self, port: int, directory: str) -> None:
        self.log = Path(directory, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.soak", "--serve", str(port), "--directory", directory],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise SystemExit(f"The server did not start:\n{self.log.read_text()}")

    def status(self) -> tuple[int, int, int]:
        """Return resident bytes, threads, descriptors."""
        proc = Path(f"/proc/{self.process.pid}")
        lines = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
        return int(lines["VmRSS"].split()[0]) << 10, int(lines["Threads"]), len(list((proc / "fd").iterdir()))


def serve(port: int, directory: str) -> None:
    """Serve until the standard input ends."""
    logging.disable(logging.CRITICAL)  # Thousands of refusals per second would test the log instead.
    values: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": port - 1}
    disk: dict[str, Any] = {
        "local_disk": f"{directory}/disk",
        "max_local_disk_size": 0.001,
        "max_local_cpu_size": 0.0005,
    }
    with make_manager(**values, **disk) as manager, InternalAPIServer(manager), Path("/dev/null").open("w") as nowhere:
        print("serves", flush=True)
        with contextlib.redirect_stdout(nowhere):  # For output of scripts; nobody reads the pipe.
            sys.stdin.read()


def soak(seconds: float) -> bool:
    """Run the traffic for that many seconds; return whether everything was as expected."""
    with tempfile.TemporaryDirectory() as directory:
        traffic, server = Traffic(free_port()), None
        server = Server(traffic.port, directory)
        try:
            samples = _observe(server, traffic, seconds)
            idle = server.status()
        finally:
            server.process.communicate(timeout=30)
    return _judge(samples, traffic, seconds, idle)


def _observe(server: Server, traffic: Traffic, seconds: float) -> list[int]:
    clients = [threading.Thread(target=traffic.run, args=(seed,)) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    began = time.monotonic()
    samples, reported = [], 0.0
    try:
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(SAMPLE_SECONDS)
            memory, threads, descriptors = server.status()
            samples.append(memory)
            if passed - reported >= REPORT_SECONDS:
                reported = passed
                print(
                    f"{passed:5.0f} s  {sum(traffic.answers.values()):8} requests  RSS {memory / (1 << 20):6.1f} MiB  "
                    f"{threads:3} threads  {descriptors:3} descriptors  {_describe(traffic.answers)}",
                    flush=True,
                )
    finally:
        traffic.stopping.set()
        for client in clients:
            client.join()
    time.sleep(3)  # So that the last threads and connections end.
    return samples


def _judge(samples: list[int], traffic: Traffic, seconds: float, idle: tuple[int, int, int]) -> bool:
    quarter = len(samples) // 4
    second, last = (statistics.median(part) for part in (samples[quarter : 2 * quarter], samples[-quarter:]))
    flat = last - second < FLAT_BYTES
    total = sum(traffic.answers.values())
    print(f"{total} requests in {seconds:.0f} s, {total / seconds:.0f} a second: {_describe(traffic.answers)}")
    print(f"Afterwards: RSS {idle[0] / (1 << 20):.1f} MiB, {idle[1]} threads, {idle[2]} descriptors")
    print(
        f"Memory, median of the second quarter {second / (1 << 20):.1f} MiB, of the last {last / (1 << 20):.1f} MiB: "
        f"{'flat' if flat else 'NOT FLAT'} (tolerance {FLAT_BYTES / (1 << 20):.0f} MiB)"
    )
    if traffic.wrong:
        print(f"Not as they should be: {_describe(traffic.wrong)}")
    return flat and not traffic.wrong


def _describe(answers: Counter[str]) -> str:
    return ", ".join(f"{answer}: {number}" for answer, number in sorted(answers.items()))


def main() -> int:
    """Run the soak test, or the server that it tests; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--serve", type=int, metavar="PORT")
    parser.add_argument("--directory")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.directory)
        return 0
    return 0 if soak(arguments.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
