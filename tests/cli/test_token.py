"""The command `lmcache-internal`."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal import create_app
from lmcache_internal.cli import main
from lmcache_internal.version import __version__
from tests.support import ROOT, make_manager


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables)


def new(path: Path, name: str = "grafana", role: str = "viewer") -> Result:
    return run("token", "new", "--name", name, "--role", role, "--file", str(path))


def names(path: Path) -> list[str]:
    return [token["name"] for token in yaml.safe_load(path.read_text())["tokens"]]


def test_a_new_token_is_printed_once_and_only_its_hash_is_kept(path: Path) -> None:
    result = new(path)
    assert result.exit_code == 0
    token = result.stdout.removesuffix("\n")
    assert token.startswith("lmci_")
    assert "\n" not in token
    assert "Added grafana (viewer)" in result.stderr
    assert token not in result.stderr
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert token not in run("token", "list", "--file", str(path)).output


def test_the_file_is_private_whatever_the_umask(path: Path) -> None:
    mask = os.umask(0)
    try:
        new(path)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(mask)


def test_a_token_opens_a_running_server_and_revoking_closes_it(path: Path) -> None:
    new(path, "other", "admin")
    with make_manager(extra_config={"internal_api_server_tokens_file": str(path)}) as manager:
        client = create_app(manager).test_client()
        headers = {"Authorization": f"Bearer {new(path, 'me', 'operator').stdout.strip()}"}
        assert client.put("/freeze/disable", headers=headers).status_code == 200
        assert client.get("/env", headers=headers).status_code == 403
        assert run("token", "revoke", "--name", "me", "--file", str(path)).exit_code == 0
        assert client.get("/conf", headers=headers).status_code == 401
    assert names(path) == ["other"]


def test_list_shows_names_and_roles(path: Path) -> None:
    new(path, "grafana", "viewer")
    new(path, "on call", "ADMIN")
    assert run("token", "list", "--file", str(path)).output == "viewer     grafana\nadmin      on call\n"


def test_the_file_may_stand_in_the_environment(path: Path) -> None:
    result = run("token", "new", "--name", "a", "--role", "admin", LMCACHE_INTERNAL_TOKENS_FILE=str(path))
    assert result.exit_code == 0
    assert names(path) == ["a"]


def test_a_name_is_given_once(path: Path) -> None:
    new(path)
    before = path.read_text()
    result = new(path)
    assert (result.exit_code, result.stdout, path.read_text()) == (1, "", before)
    assert "has a token named 'grafana' already" in result.stderr


@pytest.mark.parametrize("role", ["public", "root", ""])
def test_role_must_grant_something(path: Path, role: str) -> None:
    result = new(path, role=role)
    assert result.exit_code == 2
    assert "viewer" in result.stderr
    assert not path.exists()


@pytest.mark.parametrize("arguments", [["--name", "a"], ["--role", "admin"], []])
def test_name_role_and_file_are_required(path: Path, arguments: list[str]) -> None:
    assert run("token", "new", *arguments, "--file", str(path)).exit_code == 2
    assert run("token", "new", "--name", "a", "--role", "admin").exit_code == 2


def test_level_is_another_name_of_the_option_role(path: Path) -> None:
    assert run("token", "new", "--name", "a", "--level", "operator", "--file", str(path)).exit_code == 0
    assert "operator   a" in run("token", "list", "--file", str(path)).stdout


def test_revoking_an_unknown_name_is_an_error(path: Path) -> None:
    new(path)
    result = run("token", "revoke", "--name", "nobody", "--file", str(path))
    assert result.exit_code == 1
    assert "has no token named 'nobody'" in result.stderr
    assert names(path) == ["grafana"]


def test_an_unusable_file_is_left_alone(path: Path) -> None:
    for content, mode, reason in [
        ("tokens: []", 0o666, "other users may write to it"),
        ("tokens: [", 0o600, "its format is wrong"),
    ]:
        path.write_text(content)
        path.chmod(mode)
        result = new(path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert reason in result.stderr
        assert path.read_text() == content


@pytest.mark.parametrize("command", ["list", "revoke"])
def test_a_missing_file_is_one_clear_error(path: Path, command: str) -> None:
    name = ["--name", "a"] if command == "revoke" else []
    result = run("token", command, *name, "--file", str(path))
    assert result.exit_code == 1
    assert "cannot be used: No such file" in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_directory_and_a_directory_are_clear_errors(path: Path) -> None:
    assert new(path / "no" / "such").exit_code == 1
    assert new(path.parent).exit_code == 2


def test_a_link_stays_a_link_and_revoking_through_it_counts(path: Path) -> None:
    new(path)
    link = path.parent / "link"
    link.symlink_to(path)
    assert run("token", "revoke", "--name", "grafana", "--file", str(link)).exit_code == 0
    assert link.is_symlink()
    assert names(path) == []


def test_as_a_process(path: Path) -> None:
    command = [sys.executable, "-m", "lmcache_internal.cli", "token", "new", "--name", "a", "--role", "admin"]
    done = subprocess.run([*command, "--file", str(path)], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0
    assert done.stdout.startswith("lmci_")
    assert done.stdout.count("\n") == 1
    assert names(path) == ["a"]
    again = subprocess.run([*command, "--file", str(path)], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("Error: ")


MAKE_TOKENS = """
import sys
from lmcache_internal.cli import main
path, first = sys.argv[1], int(sys.argv[2])
for number in range(first, first + 10):
    main(["token", "new", "--name", str(number), "--role", "viewer", "--file", path], standalone_mode=False)
main(["token", "revoke", "--name", str(first), "--file", path], standalone_mode=False)
"""


def test_processes_that_edit_at_once_lose_nothing(path: Path) -> None:
    firsts = range(0, 40, 10)
    commands = [[sys.executable, "-c", MAKE_TOKENS, str(path), str(first)] for first in firsts]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)) for command in commands
        ]
        assert [process.wait(timeout=300) for process in processes] == [0] * 4
    assert sorted(map(int, names(path))) == [number for number in range(40) if number not in firsts]
    assert list(path.parent.iterdir()) == [path]


def test_help_and_version() -> None:
    assert __version__ in run("--version").output
    assert "LMCACHE_INTERNAL_TOKENS" in run("token", "new", "--help").output
