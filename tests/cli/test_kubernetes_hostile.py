"""`--kubernetes` with an API or a pod that sends what it must not: one row or one line, and nothing else happens."""

from __future__ import annotations

import json
import struct
import time

import httpx
import pytest
from websockets.sync.server import ServerConnection

from lmcache_internal.cli.pods.forward import PodTransport
from lmcache_internal.cli.pods.names import PodName
from tests.cli.conftest import Fleet
from tests.cli.kubernetes import EVIL, NAMESPACE, ports_of, rows, run
from tests.cli.kubernetes_api import ApiServer, FakePod, Forward, announce


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"items": null}', b'{"items": [{}]}', b'{"items": [{"metadata": {"name": 5}}]}',
     b'{"items": [], "metadata": {"continue": 7}}', b"[" * 100_000, b"<html>proxy</html>", bytes(range(256))],
)  # fmt: skip
def test_a_list_that_cannot_be_used_is_one_line(api: ApiServer, body: bytes) -> None:
    api.list_body = body
    result = run("status", "--kubernetes", NAMESPACE)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert len(result.stderr.splitlines()) == 1
    assert "The Kubernetes API sent no usable list of pods in namespace 'inference'" in result.stderr


def test_names_in_a_list_do_not_reach_the_terminal_raw(api: ApiServer) -> None:
    api.list_body = json.dumps({"items": [{"metadata": {"name": EVIL}, "status": {"phase": EVIL}}]}).encode()
    result = run("status", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert not {"\x1b", "\r", "\u202e", "\u2028"} & set(result.output)
    assert not any(line.startswith("FAKE-ROW") for line in result.stdout.splitlines())


def after_announcement(*messages: bytes | str) -> Forward:
    def forward(connection: ServerConnection, port: int) -> None:
        announce(connection, port)
        connection.recv()  # The request.
        for message in messages:
            connection.send(message)
        connection.recv(timeout=60)

    return forward


def instead(*messages: bytes | str) -> Forward:
    def forward(connection: ServerConnection, port: int) -> None:
        del port
        for message in messages:
            connection.send(message)
        connection.recv(timeout=60)

    return forward


def at_once(connection: ServerConnection, port: int) -> None:
    del port
    connection.close()


def flood(connection: ServerConnection, port: int) -> None:
    announce(connection, port)
    connection.recv()
    connection.send(b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"\0" + b"%x\r\n%s\r\n" % (1 << 20, bytes(1 << 20)))


def pings(connection: ServerConnection, port: int) -> None:
    announce(connection, port)
    while True:
        connection.ping()
        time.sleep(0.001)


OK = b"\0HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (at_once, "the connection failed"),
        (instead(b"\0\0\0", b"\1\0\0"), "the Kubernetes API did not confirm port 6999"),
        (instead(b"\0" + struct.pack("<H", 6999) + b"HTTP/1.1 200 OK"), "did not confirm port 6999"),
        (instead("text"), "the Kubernetes API sent text instead of binary data"),
        (after_announcement(b"\7data"), "the Kubernetes API sent data on channel 7"),
        (after_announcement(b"\xffdata"), "the Kubernetes API sent data on channel 255"),
        (after_announcement(b"\1error \xff" + EVIL.encode()), "error"),
        (after_announcement(OK + b"\"0.1", b"\1connection refused by nobody"), "connection refused by nobody"),
        (after_announcement(b"\0garbage\r\n\r\n"), "the connection failed"),
        (after_announcement(b"", b"\0", b""), "no answer within 4 s"),
        (pings, "no answer within 4 s"),
        (flood, "the answer is larger than 64 MiB"),
    ],
)  # fmt: skip
def test_a_hostile_forward_is_one_row(
    api: ApiServer, healthy: FakePod, forward: Forward, reason: str, recwarn: pytest.WarningsRecorder
) -> None:
    api.pods = [healthy, FakePod("hostile", forward=forward, annotations={"lmcache-internal/index": "0"})]
    given = ("get", "/lmc_version", "--kubernetes", NAMESPACE, "--timeout", "120" if forward is flood else "4")
    found = rows(*given)
    assert [row["ok"] for row in found] == [True] * 5 + [False]
    assert reason in found[-1]["error"]
    assert "\x1b" not in run(*given).output
    assert not recwarn.list


def test_a_message_may_be_larger_than_what_is_read_at_once(api: ApiServer) -> None:
    response = b'\0HTTP/1.1 200 OK\r\nContent-Length: 300002\r\n\r\n"' + b"x" * 300_000 + b'"'
    api.pods = [FakePod("x", forward=after_announcement(response), annotations={"lmcache-internal/index": "0"})]
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert row["data"] == "x" * 300_000


def test_control_messages_do_not_extend_the_time_limit(api: ApiServer) -> None:
    def ping_at_once(connection: ServerConnection, port: int) -> None:
        announce(connection, port)
        while True:
            connection.ping()

    api.pods = [FakePod("x", forward=ping_at_once)]
    transport = PodTransport(PodName(None, NAMESPACE, "x"), 6999)
    began = time.monotonic()
    with httpx.Client(transport=transport, timeout=2) as client, pytest.raises(httpx.ReadTimeout):
        client.get("http://127.0.0.1:6999/")
    assert time.monotonic() - began < 30


def test_a_refused_connection_was_not_used(api: ApiServer, fleet: Fleet) -> None:
    """A change is reported as not applied, because the request did not reach the server."""
    ports = ports_of(fleet.port)
    del ports[7001]
    api.pods = [FakePod("engine-0", ports)]
    result = run("freeze", "on", "--all", "--kubernetes", NAMESPACE)
    assert result.exit_code == 1
    assert "nothing listens on port 7001 of the pod's loopback interface" in result.output
