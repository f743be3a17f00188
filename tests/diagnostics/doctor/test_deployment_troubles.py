"""The troubles of the group `deployment`: rules of one rank on running servers, rules of a fleet on their facts."""

from __future__ import annotations

import copy
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.cli import main
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.serving import run
from tests.cli.test_hostile import Reply, lying
from tests.diagnostics.doctor.diagnosis import by_code, found, in_fleet, report, served
from tests.mp_support import mp_manager
from tests.support import make_manager, server_values


@contextmanager
def tokens_file(directory: Path) -> Iterator[dict[str, Any]]:
    """The settings of a server with a tokens file."""
    path = directory / "tokens.yaml"
    write_tokens_file(path, [new_token("a", Role.ADMIN)[1]])
    yield {"internal_api_server_tokens_file": str(path)}


def rank(worker_id: int = 0, **groups: Any) -> dict[str, Any]:
    """The facts of a healthy worker, with some of them replaced."""
    with make_manager(worker_id=worker_id) as manager:
        facts = copy.deepcopy(report(create_app(manager))["facts"])
    for group, values in groups.items():
        facts[group] |= values
    return dict(facts)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_private_server_has_no_finding(tmp_path: Path, kind: str) -> None:
    with make_manager(**server_values(kind, tmp_path)) as manager, InternalAPIServer(manager) as server:
        response = served(server)
    assert response["findings"] == []
    assert {"admin-port-open", "tokens-unreadable", "few-file-descriptors", "disk-nearly-full"} <= {
        *response["checked"]
    }


def test_behind_another_wsgi_server_the_address_is_not_checked() -> None:
    with make_manager() as manager:
        entries = {entry["code"]: entry["why"] for entry in report(create_app(manager))["not_checked"]}
    assert entries["admin-port-open"] == "the server did not report server.is_private"


@pytest.mark.parametrize(("access", "is_found"), [("admin", True), ("operator", True), ("viewer", False)])
def test_admin_api_on_all_addresses(tmp_path: Path, access: str, is_found: bool) -> None:
    with tokens_file(tmp_path) as extra, ExitStack() as stack:
        values = server_values("tcp", tmp_path) | {"internal_api_server_host": "0.0.0.0"}
        extra = extra | {"internal_api_server_max_access": access}
        manager = stack.enter_context(make_manager(**values, extra_config=extra))
        stack.enter_context(InternalAPIServer(manager))
        result = run("doctor", "--url", f"127.0.0.1:{values['internal_api_server_port_start'] + 1}")
        assert "HTTP 401" in result.output  # As it must be: a token is needed.
        app = create_app(manager)
        facts = _with_token(app, tmp_path)
    assert ("admin-port-open" in in_fleet([facts, rank(1)])) == is_found


def _with_token(app: Any, tmp_path: Path) -> dict[str, Any]:
    """The facts that a caller with a token gets from a server on all addresses."""
    text, entry = new_token("b", Role.VIEWER)
    write_tokens_file(tmp_path / "tokens.yaml", [entry])
    response = app.test_client().get(
        "/doctor",
        headers={"Authorization": f"Bearer {text}"},
        environ_overrides={"lmcache_internal.limits.server_load": lambda: None},
    )
    return dict(response.get_json()["facts"])


def test_tokens_file_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.doctor.facts.FRESH_SECONDS", 0.1)
    with tokens_file(tmp_path) as extra, make_manager(extra_config=extra) as manager:
        app = create_app(manager)
        text, entry = new_token("b", Role.VIEWER)
        write_tokens_file(tmp_path / "tokens.yaml", [entry])
        client = app.test_client()
        headers = {"Authorization": f"Bearer {text}"}
        assert "tokens-unreadable" not in by_code(client.get("/doctor", headers=headers).get_json())
        (tmp_path / "new").write_text("no tokens")
        (tmp_path / "new").replace(tmp_path / "tokens.yaml")  # A file that is emptied first may be read in between.
        time.sleep(0.1)  # The facts are not shared any more.
        finding = by_code(client.get("/doctor", headers=headers).get_json())["tokens-unreadable"]
    assert finding["severity"] == "warning"


def test_few_file_descriptors() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with make_manager() as manager, ExitStack() as files:
        for _ in range(100):
            files.enter_context(Path(os.devnull).open())
        limit = 10 + sum(1 for _ in Path("/proc/self/fd").iterdir())
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
            finding = found(manager)["few-file-descriptors"]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert finding["evidence"]["limit"] == limit
        assert "few-file-descriptors" not in found(manager)


@pytest.mark.parametrize("full", ["/dev/shm", "disk"])
def test_full_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    path = str(tmp_path) if full == "disk" else full

    def usage(of: str) -> SimpleNamespace:
        return SimpleNamespace(total=100 << 30, free=(4 if of == path else 6) << 30)

    with make_manager(local_disk=str(tmp_path), max_local_disk_size=0.1) as manager:
        monkeypatch.setattr(shutil, "disk_usage", usage)
        finding = found(manager)["disk-nearly-full"]
    assert finding["evidence"]["path"] == path
    assert "4 GiB free of 100 GiB" in finding["message"]


def test_each_directory_of_local_disk_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directories = [tmp_path / "a", tmp_path / "b"]
    for directory in directories:
        directory.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=100 << 30, free=1 << 30))
    with make_manager() as manager:
        manager.config.local_disk = f"file://{directories[0]}, {directories[1]}"
        finding = found(manager)
        examined = (
            {each["path"] for each in report(create_app(manager))["facts"]["system"]["file_systems"].values()}
            if False
            else set(report(create_app(manager))["facts"]["system"]["file_systems"])
        )
    assert "disk-nearly-full" in finding
    assert {str(directory) for directory in directories} <= examined


def test_a_large_disk_with_a_small_share_of_free_space_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10 << 40, free=100 << 30))
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=0.1) as manager:
        assert "disk-nearly-full" not in found(manager)


def test_ranks_that_the_index_list_leaves_out() -> None:
    for listed, missing in (([0, 1], [2]), ([0, 1, 2], None), (None, None)):
        with make_manager(world_size=2, internal_api_server_include_index_list=listed) as manager:
            finding = found(manager).get("rank-without-server")
        assert (finding and finding["evidence"]["indices without a server"]) == missing


@pytest.mark.parametrize(("replicas", "is_found"), [(1, False), (4, True)])
def test_replicas_of_data_parallelism(monkeypatch: pytest.MonkeyPatch, replicas: int, is_found: bool) -> None:
    with make_manager() as manager:
        info = {"vllm_config": f"model='tiny', tensor_parallel_size=2, data_parallel_size={replicas}, seed=0"}
        monkeypatch.setattr(manager, "get_inference_info", lambda: info)
        assert ("replicas-without-server" in found(manager)) == is_found


@pytest.mark.parametrize(
    ("hosts", "seconds", "is_found"), [("ab", 100, True), ("ab", -100, True), ("ab", 20, False), ("aa", 100, False)]
)
def test_clock_skew(hosts: str, seconds: float, is_found: bool) -> None:
    now = time.time()
    facts = [
        rank(number, process={"host": host}, system={"time": now + number * seconds})
        for number, host in enumerate(hosts)
    ]
    assert ("clock-skew" in in_fleet(facts)) == is_found


def test_mp_server_beside_in_process_engines() -> None:
    with mp_manager(None) as manager:
        server = report(create_app(manager))["facts"]
    finding = in_fleet([server, rank()])["mp-server-beside-in-process"]
    assert finding["MP servers"] == ["MP server"]
    assert "mp-server-beside-in-process" not in in_fleet([server, server])
    assert "mp-server-beside-in-process" not in in_fleet([rank(), rank(1)])


@pytest.mark.parametrize("is_lmcache", [True, False])
def test_lmcaches_own_server(is_lmcache: bool) -> None:
    """A server of ours without /doctor is an older version."""

    def forge(reply: Reply, path: str) -> Reply:
        absent = ("/doctor", "/healthz") if is_lmcache else ("/doctor",)
        return (404, b'{"detail":"Not Found"}') if path.startswith(absent) else reply

    with make_manager() as manager, lying(create_app(manager).test_client(), forge) as url:
        result = CliRunner().invoke(main, ["doctor", "--url", url])
    assert ("WARNING  unguarded-server" in result.stdout) == is_lmcache
    assert result.exit_code == int(is_lmcache), result.stdout


@pytest.mark.parametrize(("private", "severity"), [(True, "warning"), (False, "error")])
def test_lmcaches_own_server_on_an_open_port(private: bool, severity: str) -> None:
    open_port = {"product": "lmcache", "address": "http://10.0.0.1:7000", "is_private": private}
    assert in_fleet([rank(server=open_port), rank(1)])["unguarded-server"]["severity"] == severity
