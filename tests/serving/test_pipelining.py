"""Pipelined requests: all are answered, in order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import LAST, get, post, request
from tests.wire import Answer, converse, statuses, talking


class Asked(NamedTuple):
    """A request, and a check that a response belongs to it."""

    sent: bytes
    method: str
    fits: Callable[[Answer], bool]


def requests(chance: random.Random, number: int) -> Iterator[Asked]:
    """Return valid requests of all kinds with distinguishable responses."""
    for serial in range(number):
        yield chance.choice(KINDS)(serial)


def inline(serial: int) -> Asked:
    path, ending = [("/version", b'embedded-embedded"'), ("/commit_id", b'"embedded"'), ("/livez", b"ok")][serial % 3]
    return Asked(get(path.encode()), "GET", lambda answer: answer.status == 200 and answer.body.endswith(ending))


def pool(serial: int) -> Asked:
    return Asked(get(b"/echo?%d" % serial), "GET", lambda answer: json.loads(answer.body)["query"] == str(serial))


def backends(serial: int) -> Asked:
    return Asked(get(b"/backends?%d" % serial), "GET", lambda answer: b"LocalCPUBackend" in answer.body)


def with_length(serial: int) -> Asked:
    body = b"%d\r\n\r\n" % serial * (serial % 50)
    sent = post(b"Content-Length: %d" % len(body), body=body)
    return Asked(sent, "POST", lambda answer: json.loads(answer.body)["body"] == body.decode())


def with_chunks(serial: int) -> Asked:
    sent = post(b"Transfer-Encoding: chunked", body=b"3\r\nGET\r\n%x\r\n%d\r\n0\r\n\r\n" % (len(str(serial)), serial))
    return Asked(sent, "POST", lambda answer: json.loads(answer.body)["body"] == f"GET{serial}")


def head(serial: int) -> Asked:
    sent = request(b"HEAD /echo?%d HTTP/1.1" % serial, b"Host: localhost")
    return Asked(sent, "HEAD", lambda answer: answer.status == 200 and not answer.body)


def missing(serial: int) -> Asked:
    return Asked(get(b"/nowhere/%d/" % serial), "GET", lambda answer: b"/nowhere/%d/" % serial in answer.body)


KINDS = [inline, pool, backends, with_length, with_chunks, head, missing]


def splits(chance: random.Random, stream: bytes, longest: int) -> Iterator[bytes]:
    """Return `stream` in packets of up to `longest` bytes."""
    start = 0
    while start < len(stream):
        end = start + chance.randint(1, longest)
        yield stream[start:end]
        start = end


@pytest.mark.parametrize("longest", [1 << 20, 3000, 100, 10, 1])
def test_each_request_gets_its_response_in_order(either: InternalAPIServer, longest: int) -> None:
    for seed in range(4 if longest > 10 else 1):
        chance = random.Random(seed)
        asked = list(requests(chance, 60 if longest > 10 else 15))
        packets = splits(chance, b"".join(each.sent for each in asked) + LAST, longest)
        with talking(either) as conversation:
            conversation.send(*packets)
            *answers, last = conversation.rest([each.method for each in asked], patience=60)
        assert last.status == 200
        assert len(answers) == len(asked)
        for each, answer in zip(asked, answers, strict=True):
            assert each.fits(answer), (each.sent, answer)


def test_sequential_requests_are_answered(either: InternalAPIServer) -> None:
    with talking(either) as conversation:
        for each in requests(random.Random(5), 100):
            conversation.send(each.sent)
            answer = conversation.next(each.method)
            assert each.fits(answer), (each.sent, answer)


@pytest.mark.parametrize("kind", KINDS)
def test_data_after_the_last_request_is_not_answered(tcp: InternalAPIServer, kind: Callable[[int], Asked]) -> None:
    asked = [kind(1), kind(2), kind(3)]
    closing = asked[1].sent.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    answers = converse(tcp, asked[0].sent + closing + asked[2].sent, methods=[each.method for each in asked])
    assert len(answers) == 2
    assert all(each.fits(answer) for each, answer in zip(asked, answers, strict=False))


@pytest.mark.parametrize("kind", [inline, pool])
@pytest.mark.parametrize("options", [b"Close", b"TE, close", b"close,keep-alive", b"keep-alive\r\nConnection:\tclose"])
def test_a_connection_is_closed_if_close_is_one_of_its_options(
    tcp: InternalAPIServer, kind: Callable[[int], Asked], options: bytes
) -> None:
    closing = kind(1).sent.replace(b"\r\n", b"\r\nConnection: " + options + b"\r\n", 1)
    assert statuses(converse(tcp, closing + kind(2).sent)) == [200]


def test_many_requests_in_one_packet_are_answered(either: InternalAPIServer) -> None:
    number = 200
    stream = b"".join(inline(serial).sent + pool(serial).sent for serial in range(number))
    with talking(either) as conversation:
        conversation.send(stream + LAST)
        answers = conversation.rest(patience=60)
    assert statuses(answers) == [200] * (2 * number + 1)
    assert [json.loads(answer.body)["query"] for answer in answers[1:-1:2]] == [str(serial) for serial in range(number)]
