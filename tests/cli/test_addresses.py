"""Addresses that cannot be used, servers that are no LMCache, and TLS: each error says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from httpx import ConnectError

from lmcache_internal.cli import main
from lmcache_internal.cli.connect_errors import known_reason
from lmcache_internal.cli.targets import http_url, target_at, unreachable_message
from tests.cli.certificates import self_signed
from tests.cli.kubernetes_api import api_server
from tests.http_server import Reply, responding
from tests.security.support import app_with


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None, **variables})


INVALID = {
    "localhost:99999": "no valid port",
    "localhost:0": "no valid port",
    "localhost:abc": "no valid port",
    "http://::1:7000": "[::1]:7000 for IPv6",
    "::1": "[::1]:7000 for IPv6",
    "[::1:7000": "[::1]:7000 for IPv6",
    "http://": "not an http or https URL",
    ":7000": "no host",
    "ftp://a:1": "not an http or https URL",
    "\x1b[31m:x": "\\x1b",
    "a" * 100_000 + ":x": "aaa",
}


@pytest.mark.parametrize(("address", "reason"), INVALID.items(), ids=[name[:20] for name in INVALID])
def test_an_invalid_address_is_refused_before_anything_is_sent(tmp_path: Path, address: str, reason: str) -> None:
    result = run("status", "--url", address)
    assert (result.exit_code, reason in result.stderr) == (2, True), result.stderr
    assert len(result.stderr) < 1000
    listed = tmp_path / "targets.json"
    listed.write_text(json.dumps([{"targets": [address], "labels": {"index": "1"}}]))
    result = run("status", "--targets", str(listed))
    assert result.exit_code == 1
    assert f"{listed} lists an address that cannot be used" in result.stderr


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("10.0.0.1:7000", "http://10.0.0.1:7000"),
        ("[::1]:7000", "http://[::1]:7000"),
        ("https://a.example/lmcache/", "https://a.example/lmcache"),
        ("a", "http://a"),
    ],
)
def test_a_valid_address_is_used(address: str, url: str) -> None:
    assert http_url(address) == url


@pytest.mark.parametrize(
    ("address", "is_suspected"),
    [("http://10.0.0.1", True), ("10.0.0.1:80", False), ("/run/socket", False), ("kubernetes://a/b:7000", False)],
)
def test_an_address_without_a_port_is_suspected(address: str, is_suspected: bool) -> None:
    message = unreachable_message([target_at(address)])
    assert ("An address has no port; the scheduler listens on 6999" in message) is is_suspected


@pytest.mark.parametrize("text", ["internal_api_server_enabled: true\n", "{}"])
def test_a_configuration_is_no_list_of_targets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lmcache.yaml"
    path.write_text(text)
    result = run("status", "--targets", str(path))
    assert result.exit_code == 1
    assert "it has keys; if it is the engine's configuration, use --config" in result.stderr


def test_a_missing_list_of_targets_is_named() -> None:
    result = run("status", "--targets", "/no/such/list")
    assert result.stderr == "Error: Cannot read the list of targets /no/such/list: No such file or directory\n"


def test_a_bundle_of_another_server_is_a_failure(tmp_path: Path) -> None:
    with responding(lambda _: Reply(404, "<html><title>404 Not Found</title>")) as url:
        result = run("bundle", "--url", url, "-o", str(tmp_path / "b.zip"))
    assert result.exit_code == 1
    assert "0 of 1 servers" in result.stderr
    assert "HTTP 404: 404 Not Found (an HTML page" in result.stdout


def test_tokens_that_are_neither_numbers_nor_a_file() -> None:
    result = run("explain", "--tokens", "no-such-file")
    assert result.exit_code == 2
    assert "expected tokens such as 1,2,3 or 0:512, or a file of them, got 'no-such-file'" in result.stderr


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


class TestTls:
    @pytest.fixture
    def port(self, certificates: tuple[Path, Path], tmp_path: Path) -> Iterator[int]:
        """The port of an HTTPS server."""
        with api_server(tmp_path, *certificates) as (_, kubeconfig):
            yield int(kubeconfig.read_text().partition("https://127.0.0.1:")[2].split()[0].strip("\"',"))

    def test_an_unknown_authority(self, port: int) -> None:
        result = run("get", "/", "--url", f"https://127.0.0.1:{port}")
        assert "cannot connect: the certificate is not accepted: self" in result.stderr
        assert "name its certificate in SSL_CERT_FILE" in result.stderr

    def test_an_authority_of_the_user_is_accepted(self, port: int, certificates: tuple[Path, Path]) -> None:
        result = run("get", "/", "--url", f"https://127.0.0.1:{port}", SSL_CERT_FILE=str(certificates[0]))
        assert "certificate" not in result.output
        assert "HTTP" in result.output or result.exit_code == 0

    def test_a_server_without_tls(self) -> None:
        with responding(lambda _: Reply(200, "{}")) as url:
            result = run("get", "/", "--url", url.replace("http:", "https:"))
        assert "if it has none, use http://" in result.stderr


def test_a_socket_of_another_user_says_who_can_connect() -> None:
    refused = ConnectError("[Errno 13] Permission denied")
    refused.__cause__ = PermissionError(13, "Permission denied")
    assert known_reason(refused, "/run/lmcache/api_7000").startswith("Permission denied; only the user of the server")
    assert known_reason(refused, None) == ""


def test_the_advice_of_a_401_is_for_users_of_the_command() -> None:
    with app_with(tokens_file="/nowhere") as app:
        body = app.test_client().get("/conf").text
    assert "curl" in body
    with responding(lambda _: Reply(401, body)) as url:
        result = run("get", "/conf", "--url", url)
    assert "curl" not in result.stderr
    assert result.stderr.endswith(". Give --bearer-token-file or set LMCACHE_INTERNAL_TOKEN.\n")
