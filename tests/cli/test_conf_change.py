"""`conf set` and `conf rollback`: everywhere or nowhere, and exact words where neither could be had."""

from __future__ import annotations

import json
import re
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from click.testing import CliRunner, Result

from lmcache_internal import EmbeddedManager, InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.configuration import history as revisions
from lmcache_internal.roles import Role
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.cli.conftest import Fleet, StartFleet
from tests.cli.terminal import terminal
from tests.http_server import Asked, Reply, responding
from tests.support import eventually, make_manager, server_values

SECRET = "s3cr3t"
SET = ["conf", "set", "pin_timeout_sec=60", "--all"]


@pytest.fixture
def fleet(shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """The shared fleet as if it had just started; afterwards its configuration is again what it was."""
    monkeypatch.setattr(revisions, "_histories", WeakKeyDictionary())
    before = {index: dict(vars(manager.config)) for index, manager in shared_fleet.managers.items()}
    yield shared_fleet
    for index, manager in shared_fleet.managers.items():
        vars(manager.config).update(before[index])


def values(fleet: Fleet, name: str = "pin_timeout_sec") -> list[Any]:
    return [getattr(manager.config, name) for manager in fleet.managers.values()]


def change(fleet: Fleet, *pairs: str, on: str = "--all", seconds: int = 10) -> Result:
    return fleet.run("conf", "set", *pairs, *on.split(), "--yes", "--timeout", str(seconds))


@contextmanager
def setting(manager: EmbeddedManager, raises: Exception | None = None) -> Iterator[threading.Event]:
    """Let setting a value of this engine's config raise, or wait for the event."""
    go_on = threading.Event()

    class Hindered(type(manager.config)):  # type: ignore[misc]  # Whatever class it has.
        def __setattr__(self, name: str, value: Any) -> None:
            go_on.wait(60)
            if raises:
                raise raises
            object.__setattr__(self, name, value)

    original, manager.config.__class__ = manager.config.__class__, Hindered
    if raises:
        go_on.set()
    try:
        yield go_on
    finally:
        go_on.set()
        object.__setattr__(manager.config, "__class__", original)


class TestEverywhere:
    def test_it_is_applied_on_all(self, fleet: Fleet) -> None:
        result = change(fleet, "pin_timeout_sec=60", "save_decode_cache=on")
        lines = result.stdout.splitlines()
        assert result.exit_code == 0
        assert values(fleet) == [60] * 5
        assert values(fleet, "save_decode_cache") == [True] * 5
        assert lines[1].split() == ["pin_timeout_sec", "300", "60", "all"]
        assert [line.split()[-1] for line in lines[4:]] == ["applied"] * 5

    def test_what_it_says_undoes_it(self, fleet: Fleet) -> None:
        change(fleet, "pin_timeout_sec=50", on="--index 1")
        result = change(fleet, "pin_timeout_sec=60")
        undo = re.findall("To undo: (.*)", result.stderr)
        config = f"--config {fleet.config}"
        assert undo == [
            f"lmcache-internal conf rollback --to 0 {config} --index 0,2-4",
            f"lmcache-internal conf rollback --to 1 {config} --index 1",
        ]
        for command in undo:
            assert CliRunner().invoke(main, [*shlex.split(command)[1:], "--yes"]).exit_code == 0
        assert values(fleet) == [300, 50, 300, 300, 300]

    def test_json_tells_old_and_new(self, fleet: Fleet) -> None:
        found = fleet.json("conf", "set", "pin_timeout_sec=60", "--index", "1,2", "--yes")
        changes = {"pin_timeout_sec": {"old": 300, "new": 60}}
        assert [entry["data"] for entry in found] == [{"applied": True, "changes": changes, "revision_before": 0}] * 2

    def test_where_nothing_differs_nothing_is_done(self, fleet: Fleet) -> None:
        result = change(fleet, "pin_timeout_sec=300")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "Nothing to change" in result.stderr
        assert fleet.json("conf", "history")[0]["data"] == []

    def test_a_dry_run_changes_nothing_and_needs_no_consent(self, fleet: Fleet) -> None:
        result = fleet.run("conf", "set", "pin_timeout_sec=60", "--all", "--dry-run")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1].split() == ["pin_timeout_sec", "300", "60", "all"]
        assert "Nothing was applied" in result.stderr
        assert values(fleet) == [300] * 5
        assert fleet.json("conf", "set", "pin_timeout_sec=60", "--all", "--dry-run")[0]["data"]["applied"] is False

    def test_secrets_are_never_shown(self, fleet: Fleet) -> None:
        for secret in (SECRET, SECRET * 2):
            for options in ([], ["--json"]):
                pair = f'extra_config={{"password": "{secret}{len(options)}"}}'
                result = fleet.run("conf", "set", pair, "--all", "--yes", *options)
                assert "applied" in result.stdout
                assert "***" in result.stdout
                assert SECRET not in result.output
        assert values(fleet, "extra_config") == [{"password": SECRET * 2 + "1"}] * 5

    def test_not_even_where_the_json_is_broken(self, shared_fleet: Fleet) -> None:
        result = change(shared_fleet, f'extra_config={{"password": "{SECRET}"')
        assert "extra_config: Invalid value for extra_config: expected dict, got '***'" in result.stderr
        assert SECRET not in result.output

    def test_over_a_unix_socket(self, tmp_path: Path) -> None:
        with make_manager(**server_values("unix", tmp_path)) as manager, InternalAPIServer(manager) as server:
            socket = ["--socket", str(server.socket_path)]
            result = CliRunner().invoke(main, ["conf", "set", "pin_timeout_sec=60", *socket, "--yes"])
            assert result.exit_code == 0
            assert manager.config.pin_timeout_sec == 60
            assert f"lmcache-internal conf rollback --to 0 --socket {server.socket_path}" in result.stderr


class TestNowhere:
    def test_one_dead_and_one_hanging(self, ailing: Fleet) -> None:
        result = change(ailing, "pin_timeout_sec=60", seconds=4)
        assert result.exit_code == 1
        config = f"--config {ailing.config}"
        assert result.stderr.splitlines()[:2] == [
            "Nothing was applied.",
            f"To exclude the servers that fail, repeat the command with: {config} --index 0-1,3",
        ]
        assert "cannot connect: Connection refused" in result.stderr
        assert "no answer within 4 s" in result.stderr
        assert values(ailing) == [300] * 3
        assert change(ailing, "pin_timeout_sec=60", on="--index 0-1,3").exit_code == 0
        assert values(ailing) == [60] * 3

    def test_one_that_refuses(self, fleet: Fleet) -> None:
        fleet.managers[3].config.extra_config = {"internal_api_server_max_access": "admin"}
        result = change(fleet, 'extra_config={"a": 1}', "pin_timeout_sec=60")
        assert result.exit_code == 1
        assert f"worker 2 ({fleet.url(3)}): extra_config: Config is not mutable at runtime: internal" in result.stderr
        assert "--index 0-2,4" in result.stderr
        assert values(fleet) == [300] * 5
        found = fleet.json("conf", "set", 'extra_config={"a": 1}', "--all", "--yes")
        assert [entry["ok"] for entry in found] == [True, True, True, False, True]
        assert found[0]["data"]["applied"] is False

    @pytest.mark.parametrize(
        ("pair", "reason"),
        [
            ("chunk_size=1", "chunk_size: Config is not mutable at runtime"),
            ("nope=1", "nope: Unknown config"),
            ("pin_timeout_sec=x", "expected int, got 'x'"),
            ("pin_timeout_sec=0", "expected at least 1, got 0"),
            ("max_local_cpu_size=NaN", "expected a finite number"),
            ("max_local_cpu_size=1e400", "expected float, got '1e400'"),
            ("pin_timeout_sec=" + "[" * 100_000, "expected int"),
        ],
    )
    def test_one_bad_key_refuses_all(self, shared_fleet: Fleet, pair: str, reason: str) -> None:
        result = change(shared_fleet, "min_retrieve_tokens=7", pair)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[0] == "Nothing was applied."
        assert f"scheduler, workers 0-3: {pair.partition('=')[0]}: " in result.stderr
        assert reason in result.stderr
        assert values(shared_fleet, "min_retrieve_tokens") == [0] * 5

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Missing argument"),
            (["a=1", SECRET], "Argument 2 is not of the form KEY=VALUE."),
            ([f"={SECRET}"], "Argument 1 is not of the form KEY=VALUE."),
            (["a=1", f"a={SECRET}"], "a is given twice."),
            ([f"a={SECRET}\udcff"], "The value of a is not valid UTF-8."),
        ],
    )
    def test_what_is_no_pair_is_a_usage_error(self, shared_fleet: Fleet, arguments: list[str], message: str) -> None:
        result = change(shared_fleet, *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert SECRET not in result.output

    def test_arguments_are_read_before_any_server_is_asked(self, shared_fleet: Fleet) -> None:
        result = shared_fleet.run("conf", "set", "no-pair")
        assert (result.exit_code, "Argument 1 is not of the form KEY=VALUE." in result.stderr) == (2, True)

    def test_several_servers_must_be_named(self, shared_fleet: Fleet) -> None:
        result = shared_fleet.run("conf", "set", "pin_timeout_sec=60", "--yes")
        assert result.exit_code == 2
        assert "This changes 5 servers. Add --all for all of them" in result.stderr

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_without_a_terminal_consent_must_be_given(self, shared_fleet: Fleet, options: list[str]) -> None:
        for command in (["set", "pin_timeout_sec=60"], ["rollback", "--to", "0"]):
            result = shared_fleet.run("conf", *command, "--all", *options, input="y\n")
            assert result.exit_code == 2
            assert "Add --yes" in result.stderr
        assert values(shared_fleet) == [300] * 5

    def test_a_server_without_a_dry_run_is_sent_no_change(self) -> None:
        # As LMCache's own, which would take the dry run for a change.
        methods = []

        def respond(asked: Asked) -> Reply:
            methods.append(asked.method)
            return Reply(200, '{"a": 0}')

        with responding(respond) as url:
            result = CliRunner().invoke(main, ["conf", "set", "a=1", "--url", url, "--yes"])
            told = CliRunner().invoke(main, ["conf", "get", "--details", "--url", url])
        assert result.exit_code == 1
        assert "the server has no dry run" in result.stderr
        assert set(methods) == {"GET"}
        assert "without details, as LMCache" in told.stderr

    def test_a_viewer_and_a_stranger_may_not(self, start_fleet: StartFleet, tmp_path: Path) -> None:
        text, entry = new_token("grafana", Role.VIEWER)
        path = tmp_path / "tokens.yaml"
        write_tokens_file(path, [entry])
        extra = {"internal_api_server_tokens_file": str(path)}
        fleet = start_fleet(without=(2, 3, 4), extra_config=extra)
        for token, message in [(text, "HTTP 403: Requires role admin"), ("x", "the token is refused")]:
            env = {"LMCACHE_INTERNAL_TOKEN": token}
            result = fleet.run("conf", "set", "pin_timeout_sec=60", "--index", "0,1", "--yes", env=env)
            assert result.exit_code == 1
            assert "Nothing was applied." in result.stderr
            assert message in result.stderr
        assert values(fleet) == [300] * 2


class TestSomewhere:
    def test_what_changes_while_somebody_is_asked_is_left_alone(self, fleet: Fleet) -> None:
        with terminal(fleet, "conf", "set", "min_retrieve_tokens=60", "--all") as person:
            person.wait_for("[y/N]")
            assert "min_retrieve_tokens  0    60   all" in person.shown
            fleet.managers[2].config.pin_timeout_sec = 7
            person.press(b"y\n")
            person.wait_for("--index 0-1,3-4")
            assert person.wait_for_exit() == 1
        assert values(fleet, "min_retrieve_tokens") == [60, 60, 0, 60, 60]
        assert "not applied: the configuration" in person.shown

    def test_one_whose_engine_refuses(self, fleet: Fleet) -> None:
        with setting(fleet.managers[3], raises=ValueError("no")):
            result = change(fleet, "pin_timeout_sec=60")
        rows = result.stdout.splitlines()[3:]
        assert result.exit_code == 1
        assert ["  applied" in row for row in rows] == [True, True, True, False, True]
        assert "not applied: HTTP 500: Setting pin_timeout_sec failed" in rows[3]
        assert f"conf rollback --to 0 --config {fleet.config} --index 0-2,4\n" in result.stderr
        assert values(fleet) == [60, 60, 60, 300, 60]

    def test_one_that_does_not_say_whether_it_did(self, fleet: Fleet) -> None:
        with setting(fleet.managers[3]):
            result = change(fleet, "pin_timeout_sec=60", seconds=4)
            assert values(fleet) == [60, 60, 60, 300, 60]
        assert result.exit_code == 1
        assert "unknown (no response): no answer within 4 s" in result.stdout.splitlines()[6]
        assert f"To check: lmcache-internal conf history --config {fleet.config} --index 3\n" in result.stderr
        assert "--index 0-2,4" in result.stderr
        assert eventually(lambda: values(fleet) == [60] * 5)

    def test_ctrl_c_does_not_keep_it_silent(self, fleet: Fleet) -> None:
        with setting(fleet.managers[3]), terminal(fleet, *SET, "--timeout", "60") as person:
            person.wait_for("[y/N]")
            person.press(b"y\n")
            assert eventually(lambda: values(fleet) == [60, 60, 60, 300, 60])
            person.wait_for_match(r"Waiting \d+ s for worker 2")
            person.process.send_signal(signal.SIGINT)
            person.wait_for("--index 0-2,4")
            assert person.wait_for_exit() == 1
        assert "unknown (no response)" in person.shown
        assert "interrupted before it" in person.shown
        assert eventually(lambda: values(fleet) == [60] * 5)

    def test_a_no_changes_nothing(self, fleet: Fleet) -> None:
        with terminal(fleet, "conf", "set", "pin_timeout_sec=60", "--index", "1,2") as person:
            person.wait_for("Apply this to 2 servers? [y/N]")
            person.press(b"n\n")
            person.wait_for("Nothing was changed.")
            assert person.wait_for_exit() == 1
        assert values(fleet) == [300] * 5


class TestRollback:
    def test_everywhere(self, fleet: Fleet) -> None:
        change(fleet, "pin_timeout_sec=50")
        change(fleet, "pin_timeout_sec=60", "min_retrieve_tokens=1")
        result = fleet.run("conf", "rollback", "--to", "1", "--all", "--yes")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1].split() == ["pin_timeout_sec", "60", "50", "all"]
        assert (values(fleet), values(fleet, "min_retrieve_tokens")) == ([50] * 5, [0] * 5)
        assert f"conf rollback --to 2 --config {fleet.config} --index 0-4" in result.stderr

    def test_a_revision_that_one_server_lacks_refuses_all(self, fleet: Fleet) -> None:
        change(fleet, "pin_timeout_sec=50")
        change(fleet, "pin_timeout_sec=60", on="--index 1-4")
        result = fleet.run("conf", "rollback", "--to", "2", "--all", "--yes")
        assert result.exit_code == 1
        assert f"scheduler ({fleet.url(0)}): HTTP 404: There is no revision 2" in result.stderr
        assert values(fleet) == [50, 60, 60, 60, 60]

    def test_a_dry_run(self, fleet: Fleet) -> None:
        change(fleet, "pin_timeout_sec=50")
        data = fleet.json("conf", "rollback", "--to", "0", "--all", "--dry-run")[4]["data"]
        changes = {"pin_timeout_sec": {"old": 50, "new": 300}}
        assert data == {"applied": False, "changes": changes, "revision_before": 1}
        assert values(fleet) == [50] * 5

    @pytest.mark.parametrize("options", [[], ["--to", "-1"], ["--to", "x"]])
    def test_what_is_no_revision_is_a_usage_error(self, shared_fleet: Fleet, options: list[str]) -> None:
        assert shared_fleet.run("conf", "rollback", *options, "--all", "--yes").exit_code == 2


@pytest.mark.parametrize(
    ("pair", "new"),
    [
        ("save_decode_cache=true", True),
        ("save_decode_cache=on", True),
        ("pin_timeout_sec=60", 60),
        ('pin_timeout_sec="60"', 60),
        ("local_disk=/tmp/a=b", "/tmp/a=b"),
        ("local_disk=[1", "[1"),
        ('extra_config={"a": [0, null, "ä"]}', {"a": [0, None, "ä"]}),
    ],
)
def test_a_value_is_json_or_text(shared_fleet: Fleet, pair: str, new: object) -> None:
    result = shared_fleet.run("conf", "set", pair, "--index", "1", "--dry-run", "--json")
    changes = json.loads(result.stdout)[0]["data"]["changes"]
    assert changes[pair.partition("=")[0]]["new"] == new
