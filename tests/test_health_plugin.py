"""Health checks that plugins declare, over HTTP and in the metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from tests.docs.blocks import blocks_of
from tests.security.support import bearer, token_file
from tests.support import ROOT, eventually, make_manager

HEAD = """
from flask import Blueprint
from lmcache_internal.api import Degraded, NotFound, Unhealthy, engine, metadata
router = Blueprint({name!r}, __name__)
"""
JSON = {"Accept": "application/json"}


def write(directory: Path, text: str, name: str = "license") -> Path:
    (directory / f"{name}_api.py").write_text(HEAD.format(name=name) + text)
    return directory


def app_with(directory: Path, body: str) -> InternalApp:
    """An app without an engine whose plugin has one check, with this body."""
    return create_app(None, [write(directory, f"def check():\n    {body}\nhealth_checks = {{'server': check}}\n")])


def ask(client: FlaskClient, path: str) -> tuple[int, str]:
    response = client.get(path)
    return response.status_code, response.text


LINE = {
    "return 'valid until May'": "[+]license.server ok: valid until May",
    "return": "[+]license.server ok",
    "raise Degraded('ends tomorrow')": "[!]license.server warning: ends tomorrow",
    "raise Unhealthy('ended')": "[-]license.server failed: ended",
    "raise NotFound('no such license')": "[-]license.server failed: no such license",
    "return engine()": "[-]license.server failed: LMCache adapter not configured.",
    "raise OSError('/srv/key: denied')": "[-]license.server failed: OSError: /srv/key: denied",
    "raise SystemExit(3)": "[-]license.server failed: SystemExit: 3",
    "return False": "[-]license.server failed: it returned bool, not a text or None",
    "yield 'valid'": "[-]license.server failed: it returned generator, not a text or None",
}


@pytest.mark.parametrize(("body", "line"), LINE.items())
def test_a_check_passes_warns_or_fails(tmp_path: Path, body: str, line: str) -> None:
    client = app_with(tmp_path, body).test_client()
    fails = line.startswith("[-]")
    assert ask(client, "/readyz/license.server?verbose") == (
        503 if fails else 200,
        line,
    )
    warns = line.replace("[!]", "[-]").replace("warning", "failed")
    assert ask(client, "/healthz/license.server?verbose") == (503 if "failed" in warns else 200, warns)


def test_a_check_is_one_of_readyz_and_healthz_and_not_of_livez(tmp_path: Path) -> None:
    client = app_with(tmp_path, "raise Unhealthy('ended')").test_client()
    for path, listed in (("/readyz", True), ("/healthz", True), ("/livez", False)):
        assert ("license.server" in client.get(path, headers=JSON).get_json()["checks"]) is listed
    assert client.get("/livez/license.server").status_code == 404


def test_a_check_can_use_the_engine(tmp_path: Path) -> None:
    body = (
        "def check():\n    return f'{metadata().model_name} {engine().is_frozen()}'\nhealth_checks = {'model': check}\n"
    )
    with make_manager() as manager:
        client = create_app(manager, [write(tmp_path, body)]).test_client()
        assert ask(client, "/readyz/license.model?verbose") == (200, "[+]license.model ok: test-model False")


def test_the_text_of_an_unexpected_exception_is_not_public(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, viewer="viewer")
    plugin = "def check():\n    raise OSError('/srv/key')\nhealth_checks = {'server': check}\n"
    with make_manager(extra_config={"internal_api_server_tokens_file": str(path)}) as manager:
        client = create_app(manager, [write(tmp_path, plugin)]).test_client()
        client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
        assert ask(client, "/readyz/license.server") == (503, "[-]license.server failed: OSError")
        seen = client.get("/readyz/license.server", headers=bearer(tokens["viewer"])).text
        assert seen == "[-]license.server failed: OSError: /srv/key"


def test_a_secret_in_a_message_is_masked(tmp_path: Path) -> None:
    client = app_with(tmp_path, "return 'redis://user:hunter2@cache:6379'").test_client()
    assert "hunter2" not in client.get("/readyz/license.server?verbose").text


def test_two_plugins_may_use_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path, f"def check():\n    return {name!r}\nhealth_checks = {{'engine': check}}\n", name)
    client = create_app(None, [tmp_path]).test_client()
    assert [ask(client, f"/readyz/{name}.engine?verbose")[1] for name in "ab"] == [
        f"[+]{n}.engine ok: {n}" for n in "ab"
    ]
    assert "no LMCache manager" in ask(client, "/readyz/engine")[1]


def test_the_metrics_have_the_check(tmp_path: Path) -> None:
    # The thread that runs checks for metrics has no request, but `engine()` works there, too.
    plugin = (
        "def check():\n    raise (Degraded if engine() else Unhealthy)('ends')\nhealth_checks = {'server': check}\n"
    )
    with make_manager() as manager:
        client = create_app(manager, [write(tmp_path, plugin)]).test_client()
        assert eventually(
            lambda: any(
                'check="license.server"' in line and line.endswith(" 1.0")
                for line in client.get("/metrics?name[]=lmcache_internal:check_status").text.splitlines()
            )
        )


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("health_checks = None", ""),
        ("health_checks = {}", ""),
        ("def health_checks(): pass", ""),
        ("health_checks = [print]", "must be a dict of names and functions"),
        ("health_checks = {'Server': len}", "of a-z, 0-9 and _, and begin with a letter"),
        ("health_checks = {'': dict}", "1 to 40 characters"),
        ("health_checks = {'a b': dict}", "got 'a b'"),
        ("health_checks = {1: dict}", "got 1"),
        ("health_checks = {'a': 'text'}", "its health check 'a' must be a function without arguments"),
        ("health_checks = {'a': lambda subject: ''}", "its health check 'a' must be a function without arguments"),
    ],
)
def test_an_invalid_declaration_is_reported(tmp_path: Path, declaration: str, reason: str) -> None:
    app = create_app(None, [write(tmp_path, declaration + "\n")])
    (reported,) = list(app.extensions["lmcache_internal"].failed.values()) or [""]
    assert reason in reported
    assert bool(reason) == bool(reported)


def test_the_documented_check_works(tmp_path: Path) -> None:
    for block in blocks_of(ROOT, "docs/plugins.md"):
        if block.words.get("file") == "disk_api.py":
            (tmp_path / "disk_api.py").write_text(block.text)
    with make_manager() as manager:
        client = create_app(manager, [tmp_path]).test_client()
        assert ask(client, "/readyz/disk.space?verbose")[1].endswith(" MiB of /tmp are free")
        assert "disk_free_bytes" in client.get("/metrics").text
