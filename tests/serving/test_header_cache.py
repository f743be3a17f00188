"""The header cache must not change a response and must not hold a secret."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import header_cache as heads
from tests.support import connect, fetch, make_manager, server_values

GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest.fixture(params=["tcp", "unix"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    with make_manager(**server_values(request.param, tmp_path)) as manager, InternalAPIServer(manager) as server:
        yield server


def conversation(server: InternalAPIServer, *packets: bytes) -> list[bytes]:
    """Return the responses to `packets`; the last request must ask to close the connection."""
    with connect(server) as client:
        client.settimeout(5)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets[:-1]:
            client.sendall(packet)
            time.sleep(0.02 if len(packets) < 10 else 0.001)
        client.sendall(packets[-1])
        received = b"".join(iter(lambda: client.recv(65536), b""))
    return re.split(rb"(?<=.)(?=HTTP/1\.1 \d)", received)


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


@pytest.mark.parametrize(
    "packets",
    [
        (GET, GET, LAST),
        (GET[:20], GET[20:] + GET, LAST),
        (GET + GET + LAST,),
        (GET + GET[:30], GET[30:], LAST[:-2], LAST[-2:]),
        (b"\r\n" + GET, GET, LAST),
        (*(bytes([byte]) for byte in GET), GET, LAST),
    ],
)
def test_responses_do_not_depend_on_the_packets(served: InternalAPIServer, packets: tuple[bytes, ...]) -> None:
    first, second, last = map(without_date, conversation(served, *packets))
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert second == first
    assert last == first.replace(b"\r\nContent-Length", b"\r\nConnection: close\r\nContent-Length")


def test_a_body_belongs_to_its_request(served: InternalAPIServer) -> None:
    post = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 27\r\n"
    one, two = b'{"min_retrieve_tokens": 17}', b'{"min_retrieve_tokens": 18}'
    answers = conversation(served, post + b"\r\n" + one, post + b"\r\n", two, LAST)
    assert [b"17" in answers[0], b"18" in answers[1]] == [True, True]
    assert b"18" in fetch(served, "/conf?names=min_retrieve_tokens")[1]


def test_a_body_that_looks_like_a_request_is_not_one(served: InternalAPIServer) -> None:
    fetch(served, "/lmc_version")
    post = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    answers = conversation(served, GET, post % len(GET), GET, LAST)
    assert [answer[9:12] for answer in answers] == [b"200", b"400", b"200"]


def test_a_head_is_not_confused_with_the_start_of_another(served: InternalAPIServer) -> None:
    answers = conversation(served, GET, b"GET /livez HTTP/1.1\r\nUser-Agent: ", GET, LAST)
    assert [answer.endswith(b"ok") for answer in answers] == [False, True, False]


@pytest.mark.parametrize(
    "name", ["Authorization", "AUTHORIZATION", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api_Key"]
)
def test_a_secret_is_not_cached(served: InternalAPIServer, name: str) -> None:
    fetch(served, "/lmc_version", headers={name: "Bearer lmci_planted"})
    fetch(served, "/lmc_version", headers={"User-Agent": "seen"})
    conversation(served, GET[:-2] + b"no colon\r\n%s: planted\r\n\r\n" % name.encode())
    kept = repr((heads._parsed, heads._built))
    assert "seen" in kept
    assert "planted" not in kept


def test_the_date_is_updated_each_second(served: InternalAPIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1_800_000_000.0)
    monkeypatch.setattr("waitress.task.time", SimpleNamespace(time=lambda: clock.now))
    dates = []
    with connect(served) as client:
        for clock.now in (1_800_000_000.0, 1_800_000_000.9, 1_800_000_001.0):
            client.sendall(GET)
            found = re.search(rb"\r\nDate: ([^\r]*)", client.recv(65536))
            assert found
            dates.append(found[1])
    assert dates == [b"Fri, 15 Jan 2027 08:00:00 GMT"] * 2 + [b"Fri, 15 Jan 2027 08:00:01 GMT"]


def test_the_cache_is_bounded(served: InternalAPIServer) -> None:
    most = 0
    with connect(served) as client:
        for number in range(3 * heads._MAX_ENTRIES):
            client.sendall(GET.replace(b"localhost\r\n", b"localhost\r\nUser-Agent: %d\r\n" % number))
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
            client.sendall(b"GET /conf?names=a%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number)
            assert client.recv(65536).startswith(b"HTTP/1.1 ")
            most = max(most, len(heads._parsed))
    assert most >= heads._MAX_ENTRIES - 1
    large = {"User-Agent": "x" * (heads._MAX_HEAD_BYTES + 1)}
    assert fetch(served, "/lmc_version", headers=large)[0] == 200
    assert len(heads._parsed) <= heads._MAX_ENTRIES
    assert len(heads._built) <= heads._MAX_ENTRIES
    assert max(map(len, heads._parsed)) <= heads._MAX_HEAD_BYTES


def test_an_invalid_head_stays_invalid(served: InternalAPIServer) -> None:
    wrong = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n"
    for _ in range(3):
        (answer,) = conversation(served, wrong)
        assert b" 400 Bad Request\r\n" in answer[:40]


def test_other_hosts_are_refused_each_time(served: InternalAPIServer) -> None:
    foreign = LAST.replace(b"localhost", b"evil.example")
    expected = b"HTTP/1.1 200 " if served.socket_path else b"HTTP/1.1 403 "
    for _ in range(3):
        (answer,) = conversation(served, foreign)
        assert answer.startswith(expected)
