"""A fork while the server stops: at every step, the child closes only the server's own descriptors.

The engine's next file may get a descriptor that the server has just closed. A child that closes the same number again
would close that file. So a profiler opens a file for each number as soon as it is free, and forks at each later step.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.unharmed import printed_by

FORK_AT_EACH_STEP = """
import json, os, signal, socket, sys, threading, time
from pathlib import Path

os.register_at_fork(after_in_child=lambda: signal.alarm(60))  # Before ours: a child that hangs there is ended by it.

from lmcache_internal import InternalAPIServer
from tests.support import connect, make_manager, server_values

MOST_FORKS = 600
PLACES = ("lmcache_internal", "waitress", "socket.py", "threading.py")


class Forking:
    def __init__(self, path):
        self.path, self.engine, self.failures, self.forks = path, [], [], 0
        self.active, self.lock = False, threading.Lock()

    def take_free_numbers(self):
        # The lowest free number is the one that is given next.
        while True:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CREAT)
            if descriptor > self.highest:
                os.close(descriptor)
                return
            self.engine.append(descriptor)

    def start(self):
        self.highest = max(map(int, os.listdir("/proc/self/fd")))
        self.take_free_numbers()
        self.engine.clear()
        self.inode = os.stat(self.path).st_ino
        self.active = True

    def __call__(self, frame, event, argument):
        if not self.active or event not in ("return", "c_return") or not self.lock.acquire(blocking=False):
            return
        try:
            self.take_free_numbers()
            if self.engine and self.forks < MOST_FORKS and any(name in frame.f_code.co_filename for name in PLACES):
                self.fork(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
        finally:
            self.lock.release()

    def fork(self, place):
        self.forks += 1
        child = os.fork()
        if child == 0:
            os._exit(0 if self.all_open() else 1)
        status = os.waitpid(child, 0)[1]
        if status:
            self.failures.append([place, status])

    def all_open(self):
        try:
            return all(os.fstat(descriptor).st_ino == self.inode for descriptor in self.engine)
        except OSError:
            return False


forking = Forking(sys.argv[3])
threading.setprofile(forking)
sys.setprofile(forking)
extra = {"extra_config": {"internal_api_server_audit_file": sys.argv[2] + "/audit"}}
with make_manager(**server_values(sys.argv[1], Path(sys.argv[2])), **extra) as manager:
    server = InternalAPIServer(manager)
    server.start()
    clients = [connect(server) for _ in range(6)]
    half_body = b"POST /conf HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 9\\r\\n\\r\\n{"
    for client, sent in zip(clients, (b"", b"GET / HT", half_body, b"NONSENSE\\r\\n\\r\\n")):
        client.sendall(sent)
    clients[4].sendall(b"GET /lmc_version HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    clients[4].recv(4096)
    clients[5].sendall(b"GET /loglevel?logger_name=x&level=INFO HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    clients[5].recv(4096)  # It is audited, to a file.
    time.sleep(0.2)
    forking.start()
    server.stop(0.3)
    time.sleep(0.1)
    forking.active = False
    sys.setprofile(None)
    print(json.dumps({"forks": forking.forks, "taken": len(forking.engine), "failures": forking.failures,
                      "parent": forking.all_open()}), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_child_closes_no_file_of_the_engine(tmp_path: Path, kind: str) -> None:
    found = printed_by(FORK_AT_EACH_STEP, kind, str(tmp_path), str(tmp_path / "engine"), seconds=600)
    assert found["forks"] > 50
    assert found["taken"] >= 4  # The listener, the epoll, the trigger, connections.
    assert found["failures"] == []
    assert found["parent"]
