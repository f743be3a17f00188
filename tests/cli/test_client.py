"""What a command sends, and how it takes what a server answers, however odd."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from lmcache_internal.cli.client import Client, Failure
from lmcache_internal.cli.targets import Target
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.conftest import Fleet, StartFleet
from tests.http_server import SilentHandler, handled_by


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables)


class Guarded:
    """A fleet that wants tokens, and the text of two."""

    def __init__(self, start: StartFleet, directory: Path) -> None:
        made = {level: new_token(str(level), level) for level in (Role.VIEWER, Role.ADMIN)}
        self.tokens = {level: text for level, (text, _) in made.items()}
        path = directory / "tokens.yaml"
        write_tokens_file(path, [entry for _, entry in made.values()])
        self.fleet: Fleet = start(without=(2, 3, 4), extra_config={"internal_api_server_tokens_file": str(path)})
        self.url = self.fleet.url(1)


@pytest.fixture
def guarded(start_fleet: StartFleet, tmp_path: Path) -> Guarded:
    return Guarded(start_fleet, tmp_path)


def test_the_token_comes_from_a_file_or_the_environment(guarded: Guarded, tmp_path: Path) -> None:
    path, token = tmp_path / "token", guarded.tokens[Role.VIEWER]
    path.write_text(token + "\n")
    result = run("get", "/conf", "--url", guarded.url, "--bearer-token-file", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    result = run("get", "/conf", "--url", guarded.url, LMCACHE_INTERNAL_TOKEN=token)
    assert (result.exit_code, result.stderr) == (0, "")


OLD_NAMES = ["--token-file", "LMCACHE_INTERNAL_API_SERVER_TOKEN", "LMCACHE_INTERNAL_API_SERVER_TOKEN_FILE"]


@pytest.mark.parametrize("old", OLD_NAMES)
def test_the_old_names_of_the_token_still_work_and_are_warned_of(guarded: Guarded, tmp_path: Path, old: str) -> None:
    path, token = tmp_path / "token", guarded.tokens[Role.VIEWER]
    path.write_text(token)
    options = [old, str(path)] if old.startswith("-") else []
    variables = {} if options else {old: str(path) if old.endswith("FILE") else token}
    result = run("get", "/conf", "--url", guarded.url, *options, **variables)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"Warning: {old} is deprecated")
    assert token not in result.output


@pytest.mark.parametrize(
    "content", ["two S3cret words", "S3cret\nS3cret", "S3crét", "tokens:\n- name: S3cret\n", "\udcffS3cret"]
)
def test_what_is_no_token_is_named_and_not_printed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    result = run("get", "/conf", "--url", "http://127.0.0.1:1", "--bearer-token-file", str(path))
    assert (result.exit_code, "S3cr" in result.output, str(path) in result.stderr) == (1, False, True)
    assert ("contains the hashes of a tokens file" in result.stderr) == ("tokens:" in content)
    result = run("get", "/conf", "--url", "http://127.0.0.1:1", LMCACHE_INTERNAL_TOKEN=content)
    assert (result.exit_code, "S3cr" in result.output, "LMCACHE_INTERNAL_TOKEN" in result.stderr) == (1, False, True)


def test_without_a_token_it_says_how_to_give_one(guarded: Guarded) -> None:
    result = run("get", "/conf", "--url", guarded.url)
    assert result.exit_code == 1
    assert "Give --bearer-token-file or set LMCACHE_INTERNAL_TOKEN." in result.stderr


def test_a_refused_token_is_told_and_not_shown(guarded: Guarded) -> None:
    result = run("get", "/conf", "--url", guarded.url, LMCACHE_INTERNAL_TOKEN="lmci_wrong")
    assert result.exit_code == 1
    assert "HTTP 401: the token is refused" in result.stderr
    assert "lmci_wrong" not in result.output


def test_a_level_that_does_not_suffice_is_told(guarded: Guarded) -> None:
    variables = {"LMCACHE_INTERNAL_TOKEN": guarded.tokens[Role.VIEWER]}
    result = run("get", "/env", "--url", guarded.url, **variables)
    assert "Requires role admin; this token (viewer) has role viewer" in result.stderr


@pytest.mark.parametrize("content", [None, ""])
def test_a_token_file_that_holds_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    result = run("get", "/conf", "--url", "http://127.0.0.1:1", "--bearer-token-file", str(path))
    assert result.exit_code == 1
    assert str(path) in result.stderr


class Odd(SilentHandler):
    """Answers as no LMCache would."""

    def do_GET(self) -> None:  # noqa: N802  # http.server's name.
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/stolen")
            self.end_headers()
            return
        assert self.path != "/stolen"
        if self.path == "/gone":
            self.close_connection = True
            return
        self.send_response({"/broken": 500, "/stuck": 504}.get(self.path, 200))
        self.end_headers()
        self.wfile.write(b"\x1b[31mred\x07" if self.path == "/colored" else b"<html>")


@pytest.fixture
def odd() -> Iterator[str]:
    with handled_by(Odd) as url:
        yield url


def test_what_is_no_lmcache_is_told_so(odd: str) -> None:
    result = run("status", "--url", odd)
    assert result.exit_code == 1
    assert "/lmc_version did not answer as expected (not JSON): is this an LMCache internal API?" in result.stdout


def test_an_error_that_is_no_json_is_shown_as_it_is(odd: str) -> None:
    assert (
        "HTTP 500: Internal Server Error (an HTML page; is there a proxy in front of the server?)"
        in run("get", "/broken", "--url", odd).stderr
    )


@pytest.mark.parametrize(
    ("path", "unsure"), [("/broken", False), ("/stuck", True), ("/gone", True), ("/no-json", True)]
)
def test_a_failure_says_whether_the_request_may_have_been_carried_out(odd: str, path: str, unsure: bool) -> None:
    with Client(Target(odd), None, 5) as client, pytest.raises(Failure) as raised:
        client.json("GET", path)
    assert raised.value.unsure is unsure


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://a", "http://a b"])
def test_what_was_not_sent_was_not_carried_out(url: str) -> None:
    with Client(Target(url), None, 5) as client, pytest.raises(Failure) as raised:
        client.json("GET", "/")
    assert raised.value.unsure is False


def test_no_redirect_is_followed(odd: str) -> None:
    assert "302" in run("get", "/redirect", "--url", odd, LMCACHE_INTERNAL_TOKEN="secret").stderr


def test_no_proxy_of_the_environment_is_used(odd: str) -> None:
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")
    assert run("get", "/", "--url", odd, **proxies).exit_code == 0


def test_control_characters_are_shown_to_nobodys_terminal(odd: str) -> None:
    # Where the output is no terminal, text is handed on as it came; in a table it never is.
    assert run("get", "/colored", "--url", odd).stdout == "\x1b[31mred\x07\n"
    assert json.loads(run("get", "/colored", "--url", odd, "--json").stdout)[0]["data"] == "\x1b[31mred\x07"


def test_an_answer_that_trickles_for_ever_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            # The client may close the connection before the test ends.
            with connection, contextlib.suppress(ConnectionError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not ended.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            result = run("get", "/", "--url", f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.5")
        finally:
            ended.set()
            thread.join()
    assert result.exit_code == 1
    assert "no answer within 0.5 s" in result.stderr
