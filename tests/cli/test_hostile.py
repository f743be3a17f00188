"""Servers that are not ours, or that lie: one line for each, and nothing of it reaches the terminal raw."""

from __future__ import annotations

import gzip
import json
import random
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.cli import answers, main, output
from lmcache_internal.cli.answers import MAX_DEPTH, UnusableAnswerError, decode
from lmcache_internal.cli.text import printable, printable_lines
from tests.cli.commands import ALL, MP, arguments, entries, fleet_commands
from tests.http_server import Asked, responding
from tests.http_server import Reply as Sent
from tests.support import eventually, make_manager

EVIL = "\x1b[2J\r\x07\x85\u202eevil\u2066\u2028\u200b\ud800\nFAKE-ROW"
RAW = [char for char in EVIL if not char.isprintable() and char != "\n"]

Reply = tuple[int, bytes]
Forge = Callable[[Reply, str], Reply]
"""Makes the lie of the truth, for a path."""


def evil(value: Any) -> Any:
    """The value with every text and every unknown key made evil."""
    if isinstance(value, dict):
        return {key: evil(item) for key, item in value.items()} | {f"{EVIL}key": evil(next(iter(value.values()), 1))}
    if isinstance(value, list):
        return [evil(item) for item in value]
    return f"{value}{EVIL}" if isinstance(value, str) else value


def forge_names(reply: Reply, _: str) -> Reply:
    status, body = reply
    try:
        return status, json.dumps(evil(json.loads(body))).encode()
    except ValueError:
        line_evil = EVIL.partition("\n")[0].replace("\r", "").encode("utf-8", "surrogatepass")
        return status, body.replace(b"\n", line_evil + b"\n")


def forge_types(reply: Reply, path: str) -> Reply:
    """Each value of an answer is replaced with one of another type, at random."""
    source = random.Random(path)
    wrong: list[Any] = [None, -5, 1e300, 10**30, "x", [], {}, [[1]], {"a": {"b": 1}}, True, float("nan")]

    def change(value: Any) -> Any:
        if source.random() < 0.3:
            return source.choice(wrong)
        if isinstance(value, dict):
            return {key: change(item) for key, item in value.items()}
        return [change(item) for item in value] if isinstance(value, list) else value

    try:
        return reply[0], json.dumps(change(json.loads(reply[1]))).encode()
    except ValueError:
        return reply[0], b"lmcache:num_hit_tokens_total NaN\nx{ 1\n"


FORGES: dict[str, Forge] = {
    "evil names": forge_names,
    "refusals with evil names": lambda *_: (500, json.dumps({"message": EVIL, "errors": {EVIL: EVIL}}).encode()),
    "wrong types": forge_types,
    "LMCache's 404": lambda *_: (404, b'{"detail":"Not Found"}'),
    "a proxy's error page": lambda *_: (502, b"<html>\n<head><title>502 Bad Gateway</title></head>\n</html>\n"),
    "a web page": lambda *_: (200, b"<html>\n</html>\n"),
    "nothing": lambda *_: (200, b""),
    "no content": lambda *_: (204, b""),
    "null": lambda *_: (200, b"null"),
    "a list": lambda *_: (200, b"[1, 2]"),
    "an object": lambda *_: (200, b'{"checks": 5, "version": [], "revisions": {}, "updated": 3, "groups": [7]}'),
    "numbers that JSON lacks": lambda *_: (200, b'{"a": NaN, "b": [Infinity, 1e999]}'),
    "nested too deep": lambda *_: (200, b"[" * 900 + b"]" * 900),
    "nested much too deep": lambda *_: (200, b"[" * 100_000),
    "bytes": lambda *_: (200, bytes(range(256))),
}


@contextmanager
def lying(client: FlaskClient, forge: Forge) -> Iterator[str]:
    """A server that answers what `forge` makes of the answers of a real one."""

    def respond(asked: Asked) -> Sent:
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "accept-encoding")}
        real = client.open(asked.path, method=asked.method, data=asked.body, headers=headers)
        etag = {"ETag": real.headers["ETag"]} if "ETag" in real.headers else {}
        return Sent(*forge((real.status_code, real.data), asked.path), etag)

    with responding(respond) as url:
        yield url


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    with make_manager(worker_id=0) as manager:
        yield create_app(manager).test_client()


def run(*given: str) -> Result:
    return CliRunner().invoke(main, given, env={"LMCACHE_CONFIG_FILE": None, "COLUMNS": "10000"})


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_the_table_has_every_command() -> None:
    written = {tuple(word for word in command.split() if not word.startswith("-")) for command in ALL + MP}
    missing = [path for path in fleet_commands() if not any(words[: len(path)] == path for words in written)]
    assert set(missing) <= {("backends", "list"), ("ui",)}  # `ui` runs until Ctrl-C.


@pytest.mark.parametrize("name", FORGES)
def test_whatever_a_server_answers_is_an_error_in_one_line(
    client: FlaskClient, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    with lying(client, FORGES[name]) as url:
        for command in ALL:
            for options in ([], ["--json"]):
                result = run(*arguments(command, tmp_path), "--url", url, *options)
                told = f"{command} {options}: {result.output!r}"
                assert result.exception is None or isinstance(result.exception, SystemExit), told
                assert "Traceback" not in result.output, told
                assert not any(char in result.output for char in RAW), told
                if not command.startswith("script"):  # A script may print lines.
                    assert not any(line.lstrip().startswith("FAKE") for line in result.output.splitlines()), told
                if options:
                    assert all(entries(strict(text)) for text in documents(command, result)), told


def documents(command: str, result: Result) -> list[str]:
    return result.stdout.splitlines() if command.startswith("top") else [result.stdout]


@pytest.mark.parametrize(
    "command", ["status", "get /meta", "metrics", "conf get", "freeze on --all", "top", "bundle --force"]
)
def test_addresses_of_a_list_of_targets_are_escaped(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server may have written the list: GET /sd/prometheus.
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.chdir(tmp_path)
    listed = tmp_path / "targets.json"
    evil_name = EVIL.replace("\ud800", "")
    listed.write_text(json.dumps([f"127.0.0.1:1/{evil_name}", {"targets": [f"127.0.0.1:1/{evil_name}2"]}]))
    for options in ([], ["--json"]):
        result = run(*command.split(), "--targets", str(listed), *options)
        assert result.exit_code == 1, result.output
        assert not any(char in result.output for char in RAW)
        assert not any(line.lstrip().startswith("FAKE") for line in result.output.splitlines())


@pytest.mark.parametrize("code", [0x0A, 0x1B, 0x7F, 0x9B, 0x202E, 0x2066, 0x2028, 0xD800, 0xE0041])
def test_what_does_not_print_is_escaped(code: int) -> None:
    assert printable(f"a{chr(code)}b").isascii()
    assert printable(f"a{chr(code)}b").isprintable()


def test_of_all_characters_those_that_print_stay_as_they_are() -> None:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    everything = [chr(code) for code in range(0x110000)]
    assert not [char for char in everything if unicodedata.category(char) in hidden and printable(char) == char]
    letters = [char for char in everything if unicodedata.category(char)[0] in "LNPS"]
    assert all(printable(char) == char for char in letters)
    assert printable_lines("a\tb\n\u202ec\r") == "a\tb\n\\u202ec\\r"


@pytest.mark.parametrize(
    "text", ["", "x", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "1" * 5000, '{"a": 1', "\ud800"]
)
def test_what_is_no_usable_json(text: str) -> None:
    with pytest.raises(UnusableAnswerError):
        decode(text)


def test_numbers_that_are_not_finite_are_unknown() -> None:
    assert decode('[NaN, Infinity, -Infinity, 1e999, -1e999, 1.5, "NaN"]') == [None] * 5 + [1.5, "NaN"]
    assert decode("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize("size", [10**8, -5, 1025, 0.5, "7", None, [3], True])
def test_a_world_size_that_cannot_be(client: FlaskClient, tmp_path: Path, size: object) -> None:
    with lying(client, lambda *_: (200, json.dumps({"world_size": size}).encode())) as url:
        config = tmp_path / "lmcache.yaml"
        config.write_text(f"internal_api_server_port_start: {url.rpartition(':')[2]}\n")
        for command in ("get /meta", "freeze on --all"):
            result = run(*command.split(), "--config", str(config), "--json")
            assert result.exit_code in (0, 1)
            assert isinstance(strict(result.stdout), list)
            assert "/meta has no usable world_size" in result.stderr
            assert "Choose the ranks, as in --index 0-4." in result.stderr


@pytest.mark.parametrize("worker", [10**8, -5, "1", None, True, 1.5])
def test_a_worker_id_that_cannot_be_is_unknown(client: FlaskClient, worker: object) -> None:
    with lying(client, lambda *_: (200, json.dumps({"worker_id": worker}).encode())) as url:
        assert strict(run("get", "/meta", "--url", url, "--json").stdout)[0]["index"] is None


def test_lmcaches_own_server_is_shown_without_health(client: FlaskClient) -> None:
    def forge(reply: Reply, path: str) -> Reply:
        return (404, b'{"detail":"Not Found"}') if path.startswith(("/healthz", "/readyz")) else reply

    with lying(client, forge) as url:
        result = run("status", "--url", url)
    assert result.exit_code == 1
    assert " unknown " in result.stdout.splitlines()[1]


def test_the_threads_of_lmcaches_own_server(client: FlaskClient) -> None:
    with lying(client, lambda *_: (200, b"Thread: MainThread\n")) as url:
        result = run("threads", "--url", url)
        assert run("threads", "--no-group", "--url", url).stdout == "Thread: MainThread\n"
    assert (result.exit_code, result.stdout) == (1, "")
    assert "/threads answered without groups, and with no thread dump of LMCache's; add --no-group" in result.stderr


def test_the_reason_of_fastapi_is_shown(client: FlaskClient) -> None:
    with lying(client, FORGES["LMCache's 404"]) as url:
        assert run("routes", "--url", url).stderr.endswith(": HTTP 404: Not Found\n")


def test_a_profile_of_lmcaches_own_server(client: FlaskClient) -> None:
    # It ignores `samples`, and answers with the stacks.
    with lying(client, lambda *_: (200, b"Thread: MainThread\n  File x, line 1\n\nTotal threads: 3\n")) as url:
        result = run("threads", "--samples", "2", "--url", url)
    assert result.exit_code == 1
    assert "/threads answered without a profile, as LMCache's own server does" in result.stderr


def test_a_thread_name_with_a_lone_surrogate(client: FlaskClient, tmp_path: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="lone-\udc80")
    thread.start()
    try:
        with lying(client, lambda reply, _: reply) as url:
            for command in ("threads", "threads --no-group", "threads --samples 2", "bundle -o {directory}/b.zip"):
                result = run(*arguments(command, tmp_path), "--url", url)
                assert result.exit_code == 0, (command, result.output)
                result.stdout_bytes.decode("utf-8")
            assert "lone-\\udc80" in run("threads", "--name", "lone", "--url", url).stdout
    finally:
        stop.set()
        thread.join()


@contextmanager
def endless(pause: float) -> Iterator[str]:
    """A server whose chunks never end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        listener.settimeout(0.05)

        def serve(connection: socket.socket) -> None:
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    while not ended.wait(pause):
                        connection.sendall(chunk)
                except OSError:
                    return

        def accept() -> None:
            while not ended.is_set():
                try:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("command", ["status", "get /", "metrics", "threads", "conf set a=1 --yes"])
def test_an_endless_answer_is_bounded_by_size(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 4 << 20)
    with endless(0) as url:
        result = run(*arguments(command, tmp_path), "--url", url, "--timeout", "120")
    assert result.exit_code == 1
    assert "the answer is larger than 4 MiB" in result.output


@pytest.mark.parametrize(("encodings", "is_taken"), [("gzip", True), ("gzip, gzip", False), ("br", False)])
def test_an_answer_that_is_compressed_more_than_once_is_refused(encodings: str, is_taken: bool) -> None:
    body = b'{"a": 1}'
    for _ in range(encodings.count("gzip")):
        body = gzip.compress(body)
    with responding(lambda _: Sent(200, body, {"Content-Encoding": encodings})) as url:
        result = run("get", "/", "--url", url)
    assert (result.exit_code == 0) == is_taken
    assert ('{"a": 1}' in result.stdout) == is_taken
    assert is_taken or f"the answer is encoded as '{encodings}'" in result.stderr


def test_an_endless_answer_is_bounded_by_time() -> None:
    with endless(0.05) as url:
        before = threading.active_count()
        result = run("get", "/", "--url", url, "--timeout", "0.5")
        assert "no answer within 0.5 s" in result.stderr
        # The thread that read it ends, too.
        assert eventually(lambda: threading.active_count() <= before + 2)


def test_doctor_does_not_examine_a_server_that_has_none_of_its_endpoints(client: FlaskClient) -> None:
    with lying(client, FORGES["LMCache's 404"]) as url:
        result = run("doctor", "--url", url)
    assert result.exit_code == 1
    assert "NOT EXAMINED" in result.stdout
    assert "HTTP 404" in result.stdout


def test_doctor_keeps_the_facts_that_it_can_read(client: FlaskClient) -> None:
    def forge(reply: Reply, path: str) -> Reply:
        answers = {"/doctor": (404, b"{}"), "/metrics": (200, b"lmcache:num_hit_tokens_total NaN\nx{ 1\n")}
        return answers.get(path.partition("?")[0], reply)

    with lying(client, forge) as url:
        (entry,) = strict(run("doctor", "--url", url, "--json").stdout)["ranks"]
    assert entry["facts"]["config"]["chunk_size"] == 16
    assert "unusable response" in entry["facts"]["not_collected"]["metrics"]


@pytest.mark.parametrize(
    "facts",
    [
        None,
        "facts",
        {"rank": "worker"},
        {"rank": {"role": ["worker"], "worker_id": {}}, "not_collected": {"config": {"a": 1}}},
        {"rank": {"role": "worker", "worker_id": EVIL}, "config": {"chunk_size": EVIL}},
        {"config": {"chunk_size": "x"}, "metrics": {"vllm:request_prompt_tokens_bucket": {"x": "y"}}},
        {"hashing": {"depends_on_seed": True, "function": EVIL}, "process": {"hash_seed": None}},
        {"metadata": dict.fromkeys(map(str, range(10_000)), EVIL)},
    ],
)
def test_doctor_survives_any_facts(client: FlaskClient, facts: object) -> None:
    with lying(client, lambda *_: (200, json.dumps({"facts": facts}).encode())) as url:
        result = run("doctor", "--url", url)
        document = strict(run("doctor", "--url", url, "--json").stdout)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not any(char in result.output for char in RAW)
    assert not any(line.startswith("FAKE") for line in result.output.splitlines())
    assert len(document["ranks"]) == 1
