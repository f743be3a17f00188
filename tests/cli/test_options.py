"""The options that choose servers: their defaults, their places, and what help says of them."""

from __future__ import annotations

import json
import re
import shlex
import socket
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal.cli import main, sources
from lmcache_internal.cli.commands import FleetOption, Group
from lmcache_internal.settings import Settings
from tests.cli import commands
from tests.cli.commands import ALL, READING, arguments, leaves
from tests.cli.conftest import WORKERS, Fleet, StartFleet

NAMES = [" ".join(path) for path, _ in leaves()]


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Fleet:
    return shared_fleet


def run(*given: str, **variables: str | None) -> Result:
    return CliRunner().invoke(main, given, env={"LMCACHE_CONFIG_FILE": None, **variables})


def entries(result: Result) -> list[tuple[int | None, str | None]]:
    return [(entry["index"], entry["role"]) for entry in json.loads(result.stdout)]


class TestDefaults:
    @pytest.mark.parametrize("command", READING)
    def test_the_environment_names_the_configuration(self, fleet: Fleet, tmp_path: Path, command: str) -> None:
        given = arguments(command, tmp_path)
        result = run(*given, "--json", LMCACHE_CONFIG_FILE=str(fleet.config))
        line = result.stdout.splitlines()[0] if given[0] == "top" else result.stdout
        assert len(commands.entries(json.loads(line))) in (4, 5)

    def test_without_it_the_default_ports_are_asked(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "default_settings", lambda: Settings(port_start=fleet.port))
        found = entries(run("get", "/meta", "--json"))
        assert found == [(0, "scheduler"), *((1 + number, f"worker {number}") for number in range(WORKERS))]

    def test_variables_of_the_engine_count(self, fleet: Fleet) -> None:
        variables = {f"LMCACHE_{name.upper()}": str(value) for name, value in fleet.values.items()}
        variables["LMCACHE_INTERNAL_API_SERVER_INCLUDE_INDEX_LIST"] = "0,2"
        assert entries(run("get", "/meta", "--json", **variables)) == [(0, "scheduler"), (2, "worker 1")]

    def test_the_default_ports_are_those_of_the_engine(self) -> None:
        for port in range(6999, 7007):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    pytest.skip(f"something serves on port {port}")
        assert run("status").stderr.startswith("No server answers on ports 6999-7006; is the engine running, and ")


class TestAddresses:
    def test_a_url_learns_its_index_and_role(self, fleet: Fleet) -> None:
        urls = [option for index in (3, 0) for option in ("--url", fleet.url(index))]
        assert entries(run("get", "/meta", *urls, "--json")) == [(3, "worker 2"), (0, "scheduler")]
        assert f"3      worker 2   {fleet.url(3)}  " in run("status", *urls).stdout

    def test_the_figures_are_those_of_its_rank(self, start_fleet: StartFleet) -> None:
        # The metrics of all ranks are in one process here. A fleet that ends removes those of the same ranks.
        fleet = start_fleet(without=(0, 1, 2))
        fleet.managers[3].require_engine().store(list(range(64)))
        used = [json.loads(run("status", "--url", fleet.url(index), "--json").stdout)[0] for index in (3, 4)]
        assert used[0]["data"]["usage_bytes"] > 0
        assert used[1]["data"]["usage_bytes"] == 0

    def test_two_with_the_same_index_stay_two(self, fleet: Fleet, tmp_path: Path) -> None:
        urls = ["--url", fleet.url(1), "--url", fleet.url(1).replace("127.0.0.1", "localhost")]
        assert entries(run("get", "/meta", *urls, "--json")) == [(1, "worker 0")] * 2
        assert fleet.url(1) in run("conf", "diff", *urls).output or "No difference" in run("conf", "diff", *urls).stderr
        text = run("metrics", "--name", "python_info", *urls).stdout
        assert len(re.findall(r'address="([^"]+)"', text)) == 2
        path = tmp_path / "b.zip"
        assert run("bundle", "-o", str(path), *urls).exit_code == 0

    def test_only_engines_are_asked_of_several_urls(self, fleet: Fleet) -> None:
        urls = [option for index in (0, 1) for option in ("--url", fleet.url(index))]
        assert entries(run("backends", *urls, "--json")) == [(1, "worker 0")]


class TestRanks:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ("--worker 0", [1]),
            ("--worker 0,2-3", [1, 3, 4]),
            ("--scheduler", [0]),
            ("--scheduler --worker 1", [0, 2]),
            ("--index 1 --worker 0,1", [1, 2]),
            ("--index 4 --scheduler", [0, 4]),
        ],
    )
    def test_workers_and_the_scheduler_are_chosen(self, fleet: Fleet, options: str, expected: list[int]) -> None:
        found = entries(fleet.run("get", "/meta", *options.split(), "--json"))
        assert [index for index, _ in found] == expected

    def test_a_chosen_scheduler_is_asked_by_commands_for_engines(self, fleet: Fleet) -> None:
        assert "not configured" in fleet.run("freeze", "--scheduler").stdout

    def test_a_choice_of_ranks_suffices_for_a_change(self, fleet: Fleet) -> None:
        assert fleet.run("loglevel", "tests.options", "INFO", "--worker", "0,1").exit_code == 0


class TestPlaces:
    @pytest.mark.parametrize(
        "written",
        [
            "{0} get /meta",
            "get {0} /meta",
            "get /meta {0}",
            "{0} conf get chunk_size",
            "conf {0} get chunk_size",
            "conf get {0} chunk_size",
            "{0} backends",
            "{0} backends list",
            "backends {0} list",
            "backends {0}",
            "{0} loglevel root",
        ],
    )
    def test_the_options_go_before_and_after_the_command(self, fleet: Fleet, written: str) -> None:
        options = f"--config {shlex.quote(str(fleet.config))} --index=1 --timeout 5 --json --no-color"
        result = run(*shlex.split(written.format(options)))
        assert result.exit_code == 0, result.output
        assert entries(result) == [(1, "worker 0")]

    def test_both_places_count_together(self, fleet: Fleet) -> None:
        result = run(
            "--url", fleet.url(1), "--index", "x", "get", "/meta", "--url", fleet.url(2), "--index", "", "--json"
        )
        assert entries(result) == [(1, "worker 0"), (2, "worker 1")]

    @pytest.mark.parametrize(
        ("written", "message"),
        [
            ("--url http://a serve", "No such option '--url'"),
            ("--url http://a nothing", "No such command 'nothing'"),
            ("--bogus status", "No such option '--bogus'"),
        ],
    )
    def test_what_does_not_fit_is_a_usage_error(self, written: str, message: str) -> None:
        result = run(*written.split())
        assert result.exit_code == 2
        assert message in result.stderr

    @pytest.mark.parametrize("written", ["--url http://a --help", "--url http://a conf --help", "conf --json -h"])
    def test_help_is_given_all_the_same(self, written: str) -> None:
        result = run(*written.split())
        assert (result.exit_code, result.stdout[:6]) == (0, "Usage:")


class TestHelp:
    @pytest.mark.parametrize(("path", "command"), list(leaves()), ids=NAMES)
    def test_own_options_come_first_and_the_fleets_have_a_heading(
        self, path: tuple[str, ...], command: click.Command
    ) -> None:
        text = run(*path, "--help").stdout
        own, _, fleet = text.partition("\nOptions:\n")[2].partition("\nFleet options:\n")
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                place, other = (fleet, own) if isinstance(param, FleetOption) else (own, fleet)
                assert re.search(rf"^ .*{param.opts[-1]}\b", place, re.MULTILINE), param.opts
                assert not re.search(rf"^  (-\w, )?{param.opts[-1]}\b", other, re.MULTILINE), param.opts

    def test_no_sentence_is_cut(self) -> None:
        groups = [(), *{path[:-1] for path, _ in leaves() if len(path) > 1}]
        for path in groups:
            text = run(*path, "--help").stdout
            assert not re.search(r"\w\.\.\.(\s|$)", text.replace("--index, ...", "")), text

    def test_no_help_has_markup_of_its_source(self) -> None:
        for path, _ in leaves():
            text = run(*path, "--help").stdout
            assert "\\b" not in text
            assert not re.search(r"--timeout (?!SECONDS)|\[default: \d+\.0; x>0", text), text

    def test_every_option_and_command_has_help(self) -> None:
        for path, command in leaves():
            assert command.help, path
            for param in command.params:
                hidden = not isinstance(param, click.Option) or param.hidden
                assert hidden or getattr(param, "help", None), (path, param.name)

    @pytest.mark.parametrize(("path", "command"), list(leaves()), ids=NAMES)
    def test_the_example_is_one_line_that_the_command_takes(
        self, path: tuple[str, ...], command: click.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        examples = re.findall(r"^    (lmcache-internal .*)$", run(*path, "--help").stdout, re.MULTILINE)
        if any(isinstance(param, FleetOption) for param in command.params):
            assert len(examples) == 1
        monkeypatch.chdir(tmp_path)
        (tmp_path / "examples").mkdir()
        (tmp_path / "examples" / "scratch.py").touch()
        for example in examples:
            words = shlex.split(example)[1:]
            group: Any = main
            while isinstance(group, Group):
                name, words = words[0], words[1:]
                if name not in group.commands:
                    name, words = "list", [name, *words]
                group = group.commands[name]
            assert group is command
            group.make_context(name, words)  # Raises for what it does not take.


class TestHints:
    def test_a_hint_quotes_what_a_shell_would_read(self, start_fleet: StartFleet, tmp_path: Path) -> None:
        fleet = start_fleet()
        directory = tmp_path / "it's $HOME; a `b`"
        directory.mkdir()
        config = directory / "lmcache.yaml"
        config.write_text(fleet.config.read_text())
        given = ["conf", "set", "pin_timeout_sec=60", "--config", str(config), "--all", "--yes"]
        result = run(*given, "--peer-user", "nobody")
        (undo,) = re.findall("To undo: (.*)", result.stderr)
        assert undo.endswith(" --index 0-4 --peer-user nobody")
        words = shlex.split(undo)
        assert words[0] == "lmcache-internal"
        assert run(*words[1:], "--yes").exit_code == 0
        assert {manager.config.pin_timeout_sec for manager in fleet.managers.values()} == {300}

    def test_servers_that_were_chosen_by_address_are_named_by_address(self, start_fleet: StartFleet) -> None:
        fleet = start_fleet(without=(2, 3, 4))
        urls = ["--url", fleet.url(1), "--url", fleet.url(0)]
        result = run("conf", "set", "pin_timeout_sec=60", *urls, "--all", "--yes")
        (undo,) = re.findall("To undo: lmcache-internal (.*)", result.stderr)
        assert undo == f"conf rollback --to 0 {' '.join(urls)} --all"
        assert run(*shlex.split(undo), "--yes").exit_code == 0

    def test_a_targets_file_is_named(self, start_fleet: StartFleet, tmp_path: Path) -> None:
        fleet = start_fleet(without=(2, 3, 4))
        listed = tmp_path / "targets.yaml"
        groups = [{"targets": [fleet.url(index)], "labels": {"index": str(index)}} for index in (0, 1)]
        listed.write_text(yaml.safe_dump(groups))
        result = run("conf", "set", "pin_timeout_sec=60", "--targets", str(listed), "--all", "--yes")
        (undo,) = re.findall("To undo: lmcache-internal (.*)", result.stderr)
        assert undo == f"conf rollback --to 0 --targets {listed} --index 0-1"
        assert run(*shlex.split(undo), "--yes").exit_code == 0


def test_the_table_of_commands_runs(fleet: Fleet, tmp_path: Path) -> None:
    """What the tables of the other tests send is accepted by a fleet that is well, so that they test what they say."""
    for command in READING:
        assert fleet.run(*arguments(command, tmp_path), "--index", "1").exit_code == 0, command
    assert len(set(ALL)) == len(ALL)
