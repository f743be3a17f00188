"""Each command and each route that the catalogue of troubles names, typed as an operator does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lmcache_internal import create_app
from lmcache_internal.cli import main
from lmcache_internal.cli.fleet import Fleet as Servers
from lmcache_internal.cli.next_steps import completed
from lmcache_internal.cli.outcome import Found
from lmcache_internal.cli.output import Screen
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from lmcache_internal.diagnostics.doctor.trouble import Trouble
from tests.cli.conftest import Fleet, StartFleet
from tests.mp_support import mp_manager
from tests.support import eventually, make_manager

COMMANDS = sorted(
    {
        command
        for trouble in troubles().values()
        for text in (trouble.meaning, trouble.confirm, trouble.next_step)
        for command in re.findall(r"`lmcache-internal ([^`]+)`", text)
    }
)
ROUTE = re.compile(r"\b(GET|PUT|POST|DELETE) (/[a-z_/]+(?:NAME[a-z_/]*)?)")


def texts(trouble: Trouble) -> str:
    return f"{trouble.meaning} {trouble.confirm} {trouble.next_step}"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_catalogue_runs(command: str, fleet: Fleet, tmp_path: Path) -> None:
    script = tmp_path / "none.py"
    script.write_text("result = hash(None)\n")
    for name, value in {
        "NAME": "LocalCPUBackend", "--index N": "--index 1", "FILE": str(script), "http://HOST:PORT": fleet.url(1)
    }.items():  # fmt: skip
        command = command.replace(name, value)
    words = shlex.split(command)
    arguments = [*words, *(["--yes"] if {"recreate", "set"} & {*words} else [])]
    result = CliRunner().invoke(main, arguments) if "--url" in words else fleet.run(*arguments)
    # A key may be unknown to the embedded engine, and `bypass remove` may have nothing to remove; 2 is wrong usage.
    assert result.exit_code in (0, 1), result.output


@pytest.mark.parametrize("code", sorted(troubles()))
def test_each_route_of_the_catalogue_exists(code: str) -> None:
    with make_manager() as manager, mp_manager(None) as mp:
        rules = [rule for app in (create_app(manager), create_app(mp)) for rule in app.url_map.iter_rules()]
    for method, path in ROUTE.findall(texts(troubles()[code])):
        pattern = {re.sub(r"<[^>]*>", "NAME", rule.rule) for rule in rules if method in (rule.methods or ())}
        assert path.rstrip("/") in pattern, (method, path)


def test_a_next_step_is_a_command_for_the_affected_ranks(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    for index in (2, 4):
        fleet.managers[index].require_engine().freeze(True)
    assert fleet.run("bypass", "add", "LocalCPUBackend", "--index", "3").exit_code == 0
    steps = {found["code"]: found["next_step"] for found in fleet.json("doctor")["findings"]}
    assert f"`lmcache-internal freeze off --config {fleet.config} --index 2,4`" in steps["frozen"]
    assert f"`lmcache-internal bypass remove LocalCPUBackend --config {fleet.config} --index 3`" in steps["bypassed"]
    assert steps["bypassed"] in " ".join(fleet.run("doctor").stdout.split())
    for step in steps.values():
        (command,) = re.findall(r"`lmcache-internal ([^`]+)`", step)
        assert fleet.run(*shlex.split(command)).exit_code == 0
    assert eventually(lambda: fleet.json("doctor")["findings"] == [])  # Facts are up to 1 s old.


def test_a_next_step_runs_on_servers_that_are_chosen_by_address(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    for index in (1, 2):
        fleet.managers[index].require_engine().freeze(True)
    urls = [word for index in (1, 2, 3) for word in ("--url", fleet.url(index))]
    (found,) = json.loads(CliRunner().invoke(main, ["doctor", *urls, "--json"]).stdout)["findings"]
    (command,) = re.findall(r"`lmcache-internal ([^`]+)`", found["next_step"])
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == 0, result.output
    assert not any(fleet.managers[index].require_engine().is_frozen() for index in (1, 2))


def test_a_reason_of_explain_names_the_command_for_its_ranks(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    fleet.managers[2].require_engine().freeze(True)
    shown = fleet.run("explain", "--tokens", "0:32").stdout
    assert f"lmcache-internal freeze off --config {fleet.config} --index 2" in shown


def test_the_name_of_a_backend_is_quoted_in_a_command() -> None:
    servers = Servers(Found([]), None, 1, Screen(as_json=False))
    text = "Run `lmcache-internal bypass remove NAME --index N` (PUT /bypass/remove?backend_name=NAME)."
    step = completed(text, servers, [], {"backend": "x; reboot"})
    assert "'x; reboot'" in step
    assert "(PUT /bypass/remove?backend_name=x%3B%20reboot)" in step
    assert "remove NAME" in completed(text, servers, [], {"worker 0": {"backend": "a"}, "worker 1": {"backend": "b"}})
