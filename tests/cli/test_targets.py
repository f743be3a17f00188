"""Which servers a command talks to, and what it says where that is not clear."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.cli.sources import Source, read_targets
from lmcache_internal.cli.targets import names_of
from tests.cli.conftest import DEAD, Fleet, StartFleet
from tests.support import free_port, make_manager, server_values

# httpcore leaves a Unix socket open that it could not connect; it must not be found while another test runs.
UNCLOSED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def run(*arguments: str, **variables: str | None) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None, **variables})


def indices(result: Result) -> list[int | None]:
    return [entry["index"] for entry in json.loads(result.stdout)]


def test_a_url(fleet: Fleet) -> None:
    result = run("get", "/lmc_version", "--url", fleet.url(1))
    assert (result.exit_code, result.stdout) == (0, '"0.1.0+embedded"\n')


def test_a_server_that_is_named_twice_is_asked_once(fleet: Fleet) -> None:
    assert indices(run("get", "/lmc_version", "--url", fleet.url(1), "--url", f"{fleet.url(1)}/", "--json")) == [1]


def test_a_url_needs_no_scheme(fleet: Fleet) -> None:
    assert run("get", "/lmc_version", "--url", f"localhost:{fleet.port}").exit_code == 0


@UNCLOSED
def test_a_unix_socket(tmp_path: Path) -> None:
    with make_manager(**server_values("unix", tmp_path)) as manager, InternalAPIServer(manager) as server:
        assert run("get", "/lmc_version", "--socket", str(server.socket_path)).exit_code == 0
        result = run("get", "/lmc_version", "--socket", f"{server.socket_path}x", "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "cannot connect: No such file or directory" in result.stderr
    assert "cannot connect: Connection refused" in result.stderr
    gc.collect()


def test_a_config_with_a_socket_prefix(tmp_path: Path) -> None:
    values = server_values("unix", tmp_path)
    config = tmp_path / "lmcache.yaml"
    config.write_text(yaml.safe_dump(values))
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        result = run("get", "/lmc_version", "--config", str(config), "--index", "1", "--json")
    assert json.loads(result.stdout)[0]["address"] == server.socket_path


@pytest.mark.parametrize("written", ["1", '"0,1"', "[0, 1]"])
def test_a_config_is_read_as_the_engine_reads_it(fleet: Fleet, tmp_path: Path, written: str) -> None:
    config = tmp_path / "other.yaml"
    names = {"port_start": f'"{fleet.port}"', "include_index_list": written}
    config.write_text("".join(f"internal_api_server_{name}: {value}\n" for name, value in names.items()))
    expected = [1] if written == "1" else [0, 1]
    assert indices(run("get", "/lmc_version", "--config", str(config), "--json")) == expected


def test_the_environment_names_the_config(fleet: Fleet) -> None:
    result = run("status", "--json", LMCACHE_CONFIG_FILE=str(fleet.config))
    assert indices(result) == [0, 1, 2, 3, 4]


def test_the_service_discovery_of_a_server_is_a_targets_file(fleet: Fleet, tmp_path: Path) -> None:
    listed = tmp_path / "targets.json"
    listed.write_text(run("get", "/sd/prometheus", "--url", fleet.url(0)).stdout)
    assert indices(run("status", "--targets", str(listed), "--json", "--index", "0,2")) == [0, 2]


@UNCLOSED
def test_addresses_alone_are_a_targets_file(fleet: Fleet, tmp_path: Path) -> None:
    listed = tmp_path / "targets.yaml"
    listed.write_text(f"- localhost:{fleet.port}\n- {fleet.url(1)}/\n- /no/such/socket\n")
    result = run("get", "/lmc_version", "--targets", str(listed), "--json")
    assert [entry["ok"] for entry in json.loads(result.stdout)] == [True, True, False]
    gc.collect()


def test_a_server_is_asked_how_many_ranks_there_are(start_fleet: StartFleet) -> None:
    fleet = start_fleet(without=(0,), hanging=(DEAD,))
    values = yaml.safe_load(fleet.config.read_text())
    del values["internal_api_server_include_index_list"]
    fleet.config.write_text(yaml.safe_dump(values))
    result = fleet.run("get", "/lmc_version", "--json", "--timeout", "4")
    assert indices(result) == [0, 1, 2, 3, 4]
    assert [entry["ok"] for entry in json.loads(result.stdout)] == [False, True, False, True, True]


def test_where_nobody_says_how_many_ranks_there_are(tmp_path: Path) -> None:
    config = tmp_path / "lmcache.yaml"
    config.write_text(f"internal_api_server_port_start: {free_port(8)}\n")
    result = run("status", "--config", str(config))
    assert result.exit_code == 1
    assert result.stderr.startswith("No server answers on ports ")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["INDEX", *"01234567"]
    assert result.stdout.count("cannot connect: Connection refused") == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--url", "http://a", "--config", "b"),
            "Give only one of --config, --targets, --coordinator, --kubernetes, and --url or --socket.",
        ),
        (("--url", "http://a", "--index", "1"), "--scheduler go with --config, --targets and --kubernetes"),
        (("--url", "http://a", "--worker", "1"), "--scheduler go with --config, --targets and --kubernetes"),
        (("--coordinator", "http://a", "--index", "1"), "--scheduler do not go with --coordinator"),
        (("--config", "b", "--index", "1", "--all"), "--all contradicts --index, --worker and --scheduler."),
        (("--config", "b", "--scheduler", "--all"), "--all contradicts --index, --worker and --scheduler."),
        (("--config", "b", "--index", "4-2"), "expected numbers such as 0,2-4, got '4-2'"),
        (("--config", "b", "--index", "0-99999999"), "expected numbers such as 0,2-4"),
        (("--config", "b", "--index", "x"), "expected numbers such as 0,2-4, got 'x'"),
        (("--config", "b", "--worker", "x"), "expected numbers such as 0,2-4, got 'x'"),
        (("--url", "http://a", "--timeout", "0"), "'--timeout'"),
    ],
)
def test_usage_errors_are_2_and_say_what_to_do(arguments: tuple[str, ...], message: str) -> None:
    result = run("status", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not valid YAML"),
        ("- a", "must contain `key: value` pairs"),
        ("internal_api_server_port_start: 65535", "is not a TCP port"),
        ("internal_api_server_port_start: x", "expected int, got 'x' (/"),
        ("internal_api_server_port_start: null", "expected int, got None"),
        ("internal_api_server_include_index_list: a", "expected list[int], got ['a']"),
        ("extra_config: 5", "expected dict, got 5"),
        ("extra_config: {internal_api_server_max_access: king}", "king"),
    ],
)
def test_a_config_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    config = tmp_path / "lmcache.yaml"
    config.write_text(content)
    result = run("status", "--config", str(config), "--index", "0,1")
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize("content", ["", "{", "7", "- {labels: {}}", "- {targets: [a], labels: {index: x}}", "[]"])
def test_a_targets_file_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    listed = tmp_path / "targets.yaml"
    listed.write_text(content)
    result = run("status", "--targets", str(listed))
    assert result.exit_code == 1
    assert str(listed) in result.stderr


def test_an_index_that_the_targets_file_lacks(tmp_path: Path) -> None:
    listed = tmp_path / "targets.yaml"
    listed.write_text("- {targets: [a], labels: {index: 3}}")
    result = run("status", "--targets", str(listed), "--index", "2,3")
    assert result.exit_code == 2
    assert "has no target with index 2" in result.stderr


def test_ranks_of_two_engines_with_the_same_index_are_named_by_their_addresses(tmp_path: Path) -> None:
    listed = tmp_path / "targets.yaml"
    listed.write_text(
        "- {targets: ['10.0.0.1:7000', '10.0.0.2:7000'], labels: {index: 1}}\n"
        "- {targets: ['10.0.0.1:7001', '10.0.0.1:7001'], labels: {index: 2}}\n"
    )
    first, second, third, _ = read_targets(listed)
    assert names_of([first, second, third]) == (
        "worker 0 (http://10.0.0.1:7000), worker 0 (http://10.0.0.2:7000), worker 1"
    )
    source = Source(listed=str(listed))
    assert source.options([second]) == ["--url", "http://10.0.0.2:7000"]
    assert source.options([third]) == ["--targets", str(listed), "--index", "2"]
