"""MP servers that lie: one line for each, and nothing of it reaches the terminal raw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.cli import answers, output
from tests.cli.commands import MP, MP_CHANGING, arguments, entries
from tests.cli.test_hostile import FORGES, RAW, documents, endless, lying, run, strict
from tests.mp_support import mp_manager

COMMANDS = [
    "status --verbose",
    "doctor",
    "top --count 2 --interval 0.1",
    "metrics",
    "metrics --name python_info",
    "threads",
    "threads --samples 2",
    "bundle -o {directory}/bundle.zip --force",
    "conf get",
    "conf get mp.chunk_size",
    "routes",
    "loglevel",
    *MP,
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with mp_manager(tmp_path_factory.mktemp("l2")) as manager:
        yield create_app(manager).test_client()


def listed(directory: Path, url: str) -> list[str]:
    path = directory / "targets.json"
    path.write_text(json.dumps([{"targets": [url], "labels": {"__meta_lmcache_role": "mp_server"}}]))
    return ["--targets", str(path)]


@pytest.mark.parametrize("name", FORGES)
def test_whatever_an_mp_server_answers_is_an_error_in_one_line(
    client: FlaskClient, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    with lying(client, FORGES[name]) as url:
        for number, command in enumerate(COMMANDS):
            # Both forms for the worst lies; one form of each command for the others, to save time.
            both = name in ("evil names", "wrong types")
            for options in ([], ["--json"]) if both else ([["--json"], []][(number + len(name)) % 2],):
                result = run(*arguments(command, tmp_path), *listed(tmp_path, url), *options)
                told = f"{command} {options}: {result.output!r}"
                assert result.exit_code in (0, 1), told
                assert result.exception is None or isinstance(result.exception, SystemExit), told
                assert "Traceback" not in result.output, told
                assert not any(char in result.output for char in RAW), told
                assert not any(line.lstrip().startswith("FAKE") for line in result.output.splitlines()), told
                if options:
                    assert all(entries(strict(text)) for text in documents(command, result)), told


@pytest.mark.parametrize("command", ["status", "quota", "objects", "bundle -o {directory}/b.zip --force", "conf get"])
def test_endless_response_is_bounded(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 1 << 20)
    with endless(0) as url:
        result = run(*arguments(command, tmp_path), *listed(tmp_path, url), "--timeout", "120")
    assert "is larger than 1 MiB" in result.output
    with endless(0.05) as url:
        result = run(*arguments(command, tmp_path), *listed(tmp_path, url), "--timeout", "0.5")
    assert "no answer within 0.5 s" in result.output


@pytest.mark.parametrize("service", ["LMCache HTTP API\n", "", None, 5, ["LMCache HTTP API"]])
def test_server_that_does_not_say_what_it_is_is_not_an_mp_server(client: FlaskClient, service: object) -> None:
    def forge(reply: tuple[int, bytes], path: str) -> tuple[int, bytes]:
        return (200, json.dumps({"service": service}).encode()) if path == "/" else reply

    with lying(client, forge) as url:
        (entry,) = strict(run("get", "/lmc_version", "--url", url, "--json").stdout)
    assert (entry["role"], entry["ok"]) == (None, True)


@pytest.mark.parametrize("command", MP)
def test_every_command_for_mp_servers_says_first_that_no_server_answers(tmp_path: Path, command: str) -> None:
    every = ["--all"] if command in MP_CHANGING else []
    result = run(*arguments(command, tmp_path), *listed(tmp_path, "127.0.0.1:1"), *every)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "No server answers on http://127.0.0.1:1; is `lmcache server` running?"
    as_json = run(*arguments(command, tmp_path), *listed(tmp_path, "127.0.0.1:1"), *every, "--json")
    (entry,) = strict(as_json.stdout)
    assert (entry["ok"], entry["error"]) == (False, "cannot connect: Connection refused")
