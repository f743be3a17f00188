"""`conf get`, `conf history` and `conf diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from tests.cli.conftest import DEAD, HANGING, Fleet, StartFleet

SECRET = "s3cr3t"


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Fleet:
    return shared_fleet


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()]


def live(fleet: Fleet, index: int) -> Any:
    return fleet.managers[index].config


class TestGet:
    def test_a_key_has_one_row_where_all_ranks_agree(self, fleet: Fleet) -> None:
        found = rows(fleet.run("conf", "get"))
        assert found[:2] == [["KEY", "VALUE", "RANKS"], ["chunk_size", "16", "all"]]
        assert [row[2] for row in found if row[0] == "lmcache_instance_id"] == ["0", "1", "2", "3", "4"]

    def test_and_one_for_each_value_where_they_do_not(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live(fleet, 3), "min_retrieve_tokens", 5)
        found = rows(fleet.run("conf", "get", "min_retrieve_tokens", "local_disk"))
        assert found[1:] == [
            ["min_retrieve_tokens", "0", "0-2,4"],
            ["min_retrieve_tokens", "5", "3"],
            ["local_disk", "null", "all"],
        ]

    def test_one_server_has_no_ranks(self, fleet: Fleet) -> None:
        result = fleet.run("conf", "get", "internal_api_server_host", "--index", "1")
        assert rows(result) == [["KEY", "VALUE"], ["internal_api_server_host", '"127.0.0.1"']]

    def test_json_has_the_values_of_each_server(self, fleet: Fleet) -> None:
        found = fleet.json("conf", "get", "chunk_size", "local_cpu")
        assert [entry["data"] for entry in found] == [{"chunk_size": 16, "local_cpu": True}] * 5

    def test_an_unknown_key_is_told_with_its_neighbor(self, fleet: Fleet) -> None:
        result = fleet.run("conf", "get", "chunk_size", "min_retrieve_token", "zzz")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "there is no key 'min_retrieve_token'; did you mean min_retrieve_tokens?" in result.stderr
        assert "there is no key 'zzz'" in result.stderr
        assert result.stderr.startswith("scheduler, workers 0-3: ")

    def test_details(self, fleet: Fleet) -> None:
        found = rows(fleet.run("conf", "get", "--details", "pin_timeout_sec"))
        assert found[0] == ["KEY", "VALUE", "DEFAULT", "SOURCE", "TYPE", "TAKES", "EFFECT", "RANKS"]
        assert found[1] == ["pin_timeout_sec", "300", "300", "default", "int", "at", "once", "all"]
        told = fleet.json("conf", "get", "--details", "pin_timeout_sec")[0]["data"]["pin_timeout_sec"]
        assert told["mutable"] is True
        assert told["description"].startswith("Seconds")

    def test_secrets_stay_masked(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live(fleet, 1), "extra_config", {"password": SECRET})
        for options in ([], ["--details"], ["--json"]):
            result = fleet.run("conf", "get", "--index", "1", *options)
            assert "***" in result.stdout
            assert SECRET not in result.output

    def test_those_that_answer_are_shown(self, ailing: Fleet) -> None:
        result = ailing.run("conf", "get", "chunk_size", "--timeout", "4")
        assert result.exit_code == 1
        assert rows(result)[1:] == [["chunk_size", "16", "0-1,3"]]
        assert f"worker {DEAD - 1} ({ailing.url(DEAD)}): cannot connect: Connection refused" in result.stderr
        assert f"worker {HANGING - 1} ({ailing.url(HANGING)}): no answer within 4 s" in result.stderr


class TestDiff:
    def test_without_a_difference_it_says_so(self, fleet: Fleet) -> None:
        result = fleet.run("conf", "diff", "--exit-code")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No difference.\n")

    def test_between_ranks_and_from_the_file(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live(fleet, 2), "min_retrieve_tokens", 5)
        for index in range(5):
            monkeypatch.setattr(live(fleet, index), "chunk_size", 32)
            monkeypatch.setattr(live(fleet, index), "pin_timeout_sec", 9)
        result = fleet.run("conf", "diff")
        assert result.exit_code == 0
        assert rows(result) == [
            ["KEY", "FILE", "LIVE", "SOURCE", "RANKS"],
            ["chunk_size", "16", "32", "runtime", "all"],
            ["min_retrieve_tokens", "-", "0", "default", "0-1,3-4"],
            ["min_retrieve_tokens", "-", "5", "runtime", "2"],
            ["pin_timeout_sec", "-", "9", "runtime", "all"],
        ]
        assert fleet.run("conf", "diff", "--exit-code").exit_code == 1
        data = fleet.json("conf", "diff")[2]["data"]
        assert data["chunk_size"] == {"file": 16, "live": 32, "source": "runtime"}
        assert data["min_retrieve_tokens"] == {"live": 5, "source": "runtime"}

    def test_without_a_file_servers_are_compared_with_one_another(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live(fleet, 2), "min_retrieve_tokens", 5)
        urls = [option for index in (1, 2) for option in ("--url", fleet.url(index))]
        result = CliRunner().invoke(main, ["conf", "diff", *urls], env={"LMCACHE_CONFIG_FILE": None})
        assert rows(result) == [
            ["KEY", "LIVE", "SOURCE", "RANKS"],
            ["min_retrieve_tokens", "0", "default", fleet.url(1)],
            ["min_retrieve_tokens", "5", "runtime", fleet.url(2)],
        ]

    @pytest.mark.parametrize(
        "written",
        [
            'chunk_size: "16"',
            'local_cpu: "yes"',
            "max_local_cpu_size: 5",
            "local_disk: false",
            'local_disk: ""',
            'internal_api_server_include_index_list: "0,1,2,3,4"',
        ],
    )
    def test_a_file_that_means_the_same(self, fleet: Fleet, tmp_path: Path, written: str) -> None:
        assert self.against(fleet, tmp_path, written) == []

    @pytest.mark.parametrize("written", ["chunk_size: 17", "chunk_size: [16]", "local_disk: /x", "local_cpu: false"])
    def test_a_file_that_means_something_else(self, fleet: Fleet, tmp_path: Path, written: str) -> None:
        assert self.against(fleet, tmp_path, written) == [written.partition(":")[0]]

    def test_a_path_may_be_a_file_url(self, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live(fleet, 1), "local_disk", "/x/y")
        assert self.against(fleet, tmp_path, "local_disk: file:///x/y") == []
        assert self.against(fleet, tmp_path, "local_disk: file:///x/z") == ["local_disk"]

    def test_an_empty_text_is_one(self, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live(fleet, 1), "internal_api_server_host", "")
        assert self.against(fleet, tmp_path, 'internal_api_server_host: ""') == []

    @pytest.mark.parametrize(("written", "told"), [("1", "1"), ("2026-11-22", '"2026-11-22"')])
    def test_a_key_that_the_engine_lacks(self, fleet: Fleet, tmp_path: Path, written: str, told: str) -> None:
        path = tmp_path / "other.yaml"
        path.write_text(f"nope: {written}")
        found = rows(fleet.run("conf", "diff", "--against", str(path)))
        assert found[1] == ["nope", told, "null", "unknown", "key", "all"]

    def test_secrets_of_the_file_stay_in_it(
        self, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live(fleet, 1), "local_disk", "redis://u:other@h")
        path = tmp_path / "other.yaml"
        path.write_text(f"local_disk: redis://u:{SECRET}@g\nextra_config: {{password: {SECRET}}}")
        for options in ([], ["--json"]):
            result = fleet.run("conf", "diff", "--index", "1", "--against", str(path), *options)
            assert "redis://***@g" in result.stdout
            assert "redis://***@h" in result.stdout
            assert SECRET not in result.output

    def test_secrets_are_compared_as_they_are_shown(
        self, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live(fleet, 1), "local_disk", "redis://u:other@h")
        assert self.against(fleet, tmp_path, f"local_disk: redis://u:{SECRET}@h") == []

    @pytest.mark.parametrize("content", [None, "[", "- a"])
    def test_a_file_that_cannot_be_used(self, fleet: Fleet, tmp_path: Path, content: str | None) -> None:
        path = tmp_path / "other.yaml"
        if content is not None:
            path.write_text(content)
        result = fleet.run("conf", "diff", "--against", str(path))
        assert result.exit_code == 1
        assert str(path) in result.stderr

    def test_those_that_answer_are_compared(self, start_fleet: StartFleet) -> None:
        fleet = start_fleet(without=(DEAD,))
        live(fleet, 3).min_retrieve_tokens = 5
        result = fleet.run("conf", "diff")
        assert result.exit_code == 1
        assert [row[-1] for row in rows(result)[1:]] == ["0-1,4", "3"]
        assert "cannot connect: Connection refused" in result.stderr

    def against(self, fleet: Fleet, tmp_path: Path, written: str) -> list[str]:
        path = tmp_path / "other.yaml"
        path.write_text(written)
        result = fleet.run("conf", "diff", "--index", "1", "--against", str(path), "--json")
        return list(json.loads(result.stdout)[0]["data"])


def test_history_is_told_of_each_server(fleet: Fleet) -> None:
    assert rows(fleet.run("conf", "history", "--index", "0,2")) == [
        ["SERVER", "REVISION", "TIME", "(UTC)", "CHANGES"],
        ["scheduler", "0", "-", "(start)"],
        ["worker", "1", "0", "-", "(start)"],
    ]
    change = f'extra_config={{"password":"{SECRET}"}}'
    assert fleet.run("conf", "set", "pin_timeout_sec=9", change, "--index", "2", "--yes").exit_code == 0
    assert fleet.run("conf", "rollback", "--to", "0", "--index", "2", "--yes").exit_code == 0
    result = fleet.run("conf", "history", "--index", "2")
    assert "pin_timeout_sec: 300 → 9" in result.stdout
    assert 'extra_config: null → {"password": "***"}' in result.stdout
    assert "(rollback)" in result.stdout
    assert SECRET not in result.output
    assert fleet.json("conf", "history", "--index", "2")[0]["data"][1]["rollback"] is True
