"""`doctor`: fleets that are well, fleets in each state that a rule finds, and servers of other kinds."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.cli.doctor import examined, text_of
from lmcache_internal.cli.fleet import Fleet as AskedFleet
from lmcache_internal.cli.outcome import Found, Outcome
from lmcache_internal.cli.output import Screen
from lmcache_internal.cli.targets import Target
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from lmcache_internal.security.caller import DIRECT_KEY
from tests.cli.conftest import DEAD, HANGING, Fleet, StartFleet
from tests.cli.serving import TINY, config_file, run, served
from tests.http_server import running
from tests.mp_support import mp_manager
from tests.support import free_port, make_manager

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LMCACHE_KEYS = {"save_unfull_chunk": False, "use_layerwise": False}
"""Keys that the embedded engine does not know; it shows them as LMCache does."""


def codes(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the codes of the findings, each with its ranks."""
    return {found["code"]: found["ranks"] for found in document["findings"]}


def test_a_healthy_fleet_has_no_findings(start_fleet: StartFleet) -> None:
    fleet = start_fleet(**LMCACHE_KEYS)
    for manager in fleet.managers.values():
        if manager.lmcache_engine is not None:
            manager.lmcache_engine.lookup(list(range(16)))
    result = fleet.run("doctor")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "Nothing found in 5 ranks."
    with_rule = {code for code, trouble in troubles().items() if trouble.in_rank or trouble.in_fleet}
    checked = set(lines[1].removeprefix("Checked: ").rstrip(".").split(", "))
    assert checked <= with_rule
    assert {code for code in checked if troubles()[code].group in ("hashing", "shape")} == {
        code for code in with_rule if troubles()[code].group in ("hashing", "shape")
    }


@pytest.mark.parametrize(
    ("code", "severity", "key", "value", "others"),
    [
        ("chunk-size-differs", "error", "chunk_size", 32, []),
        ("save-unfull-chunk-differs", "warning", "save_unfull_chunk", True, []),
        ("layerwise-differs", "error", "use_layerwise", True, []),
        # PYTHONHASHSEED is not set where the tests run, and one process is enough for that.
        ("hash-algorithm-differs", "error", "pre_caching_hash_algorithm", "builtin", ["hash-seed-unset"]),
    ],
)
def test_a_rank_with_another_configuration_is_found(
    start_fleet: StartFleet,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    severity: str,
    key: str,
    value: object,
    others: list[str],
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    fleet = start_fleet(**LMCACHE_KEYS)
    setattr(fleet.managers[3].config, key, value)
    document = fleet.json("doctor")
    assert sorted(codes(document)) == sorted([code, *others])
    (found,) = [found for found in document["findings"] if found["code"] == code]
    assert found["severity"] == severity
    assert found["evidence"][f"config.{key}"][str(value)] == ["worker 2"]
    assert fleet.run("doctor").exit_code == 1


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("model-name-differs", {"model_name": "other-model"}),
        ("world-size-differs", {"world_size": 3}),
        ("kv-dtype-differs", {"kv_dtype": "float32"}),
        ("mla-differs", {"kv_shape": (2, 1, 16, 2, 4)}),
    ],
)
def test_a_rank_with_other_metadata_is_found(start_fleet: StartFleet, code: str, changes: dict[str, Any]) -> None:
    fleet = start_fleet()
    manager = fleet.managers[2]
    manager.lmcache_engine_metadata = dataclasses.replace(manager.lmcache_engine_metadata, **changes)
    document = fleet.json("doctor")
    assert list(codes(document)) == [code]
    (values,) = document["findings"][0]["evidence"].values()
    assert sorted(map(len, values.values())) == [1, 4]
    assert ["worker 1"] in values.values()


def test_a_rank_with_another_version_of_the_engine_is_found(fleet: Fleet) -> None:
    fleet.managers[1].runtime.lmc_version = "0.4.7"
    document = fleet.json("doctor")
    assert list(codes(document)) == ["engine-version-differs"]
    assert document["findings"][0]["evidence"]["versions.lmcache"]["0.4.7"] == ["worker 0"]


@pytest.mark.parametrize(("tokens", "requests", "found"), [(7, 20, True), (8, 20, False), (7, 19, False)])
def test_requests_that_are_shorter_than_a_chunk_are_found(
    start_fleet: StartFleet, tokens: int, requests: int, found: bool
) -> None:
    fleet = start_fleet()
    for _ in range(requests):
        fleet.managers[2].require_engine().lookup(list(range(tokens)))
    assert codes(fleet.json("doctor")) == ({"chunk-size-too-large": ["worker 1"]} if found else {})


def test_servers_that_do_not_answer_are_rows_and_the_others_are_examined(ailing: Fleet) -> None:
    began = time.monotonic()
    result = ailing.run("doctor", "--timeout", "4")
    assert time.monotonic() - began < 30
    assert result.exit_code == 1
    assert f"NOT EXAMINED  worker {DEAD - 1}: cannot connect: Connection refused" in result.stdout
    assert f"NOT EXAMINED  worker {HANGING - 1}: no answer within 4 s" in result.stdout
    assert "Nothing found in 5 ranks." not in result.stdout
    assert "Nothing found in 3 of 5 ranks." in result.stdout
    document = ailing.json("doctor", "--timeout", "4")
    assert [entry["ok"] for entry in document["ranks"]] == [True, True, False, True, False]
    assert document["ranks"][DEAD]["error"] == "cannot connect: Connection refused"


def test_errors_are_printed_before_warnings_with_evidence_and_next_step(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    fleet.managers[1].runtime.lmc_version = "0.4.7"
    fleet.managers[2].config.chunk_size = 32
    lines = fleet.run("doctor").stdout.splitlines()
    assert lines[:6] == [
        "ERROR  chunk-size-differs: The chunk size is not the same in all ranks",
        "  The ranks have 2 different chunk sizes: 16 (4 ranks), 32 (1 rank).",
        "  Ranks:     scheduler, workers 0-3",
        "  Evidence:  config.chunk_size: 16 (scheduler, workers 0,2-3), 32 (worker 1)",
        f"  Next step: {troubles()['chunk-size-differs'].next_step}",
        "  See:       lmcache-internal doctor --about chunk-size-differs",
    ]
    assert lines[7].startswith("WARNING  engine-version-differs: ")
    assert "1 error, 1 warning in 5 ranks." in lines


def test_a_server_without_doctor_is_examined_by_its_other_endpoints(
    start_fleet: StartFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "424242")
    fleet = start_fleet(extra_config={"api_key": "hunter2-hunter2"})
    for app in fleet.apps.values():
        app.view_functions["doctor.doctor"] = lambda: ({"detail": "Not Found"}, 404)
    fleet.managers[3].config.chunk_size = 32
    result = fleet.run("doctor", "--json")
    document = json.loads(result.stdout)
    assert list(codes(document)) == ["chunk-size-differs"]
    assert "424242" not in result.stdout
    assert "hunter2" not in result.stdout
    facts = [entry["facts"] for entry in document["ranks"]]
    assert [each["rank"] for each in facts[:2]] == [
        {"role": "scheduler", "worker_id": None},
        {"role": "worker", "worker_id": 0},
    ]
    assert facts[1]["process"]["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert facts[1]["metrics"]["lmcache:num_lookup_requests_total"] == 0
    reasons = {entry["code"]: entry["why"] for entry in document["not_checked"]}
    assert "the server has no GET /doctor" in reasons["chunk-hashes-differ"]


@pytest.mark.parametrize(("version", "is_found"), [("0.9.2", False), ("0.10.0", True), (None, False)])
def test_a_server_without_doctor_is_asked_for_vllm_to_find_an_unset_seed(
    start_fleet: StartFleet, monkeypatch: pytest.MonkeyPatch, version: str | None, is_found: bool
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    fleet = start_fleet()
    for index, app in fleet.apps.items():
        app.view_functions["doctor.doctor"] = lambda: ({"detail": "Not Found"}, 404)
        info = {"vllm_version": version} if version else {"engine": "none"}
        monkeypatch.setattr(fleet.managers[index], "get_inference_info", lambda info=info: info)
    assert ("hash-seed-unset" in codes(fleet.json("doctor"))) is is_found


def test_an_mp_server_is_examined() -> None:
    port = free_port()
    with served("--mp", str(port)):
        result = run("doctor", "--url", f"http://127.0.0.1:{port}", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert document["findings"] == []
    (entry,) = document["ranks"]
    assert (entry["name"], entry["facts"]["rank"]["role"]) == ("MP server", "mp")
    assert entry["facts"]["not_collected"] == {}


def test_an_mp_server_without_doctor_is_examined_by_its_other_endpoints() -> None:
    with mp_manager(None) as manager:
        app = create_app(manager)
        app.view_functions["doctor.doctor"] = lambda: ({"detail": "Not Found"}, 404)
        with serving(app) as url:
            document = json.loads(run("doctor", "--url", url, "--json").stdout)
    (entry,) = document["ranks"]
    assert document["findings"] == []
    assert entry["facts"]["rank"] == {"role": "mp", "worker_id": None}
    assert entry["facts"]["config"].keys() == manager.runtime.configs().keys()
    assert entry["facts"]["versions"]["lmcache"] == manager.runtime.lmc_version


@contextmanager
def serving(app: InternalApp) -> Iterator[str]:
    """Serve an app as LMCache's own server: each client is admitted; yield the address."""

    def admitting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app.wsgi_app({**environ, DIRECT_KEY: "yes"}, start_response)

    with running(make_server("127.0.0.1", 0, admitting, threaded=True)) as url:
        yield url


@contextmanager
def two_deployments(directory: Path, *variables: dict[str, str], algorithm: str = "builtin") -> Iterator[list[str]]:
    """Serve one scheduler and one worker for each environment; yield the options that choose the workers."""
    with ExitStack() as stack:
        options = []
        for number, environment in enumerate(variables):
            port = free_port(2)
            (directory / str(number)).mkdir()
            config = config_file(directory / str(number), port)
            config.write_text(config.read_text() + f"pre_caching_hash_algorithm: {algorithm}\n")
            stack.enter_context(served("--config", str(config), *TINY, **environment))
            options += ["--url", f"http://127.0.0.1:{port + 1}"]
        yield options


def test_processes_with_different_hash_seeds_are_found(tmp_path: Path) -> None:
    with two_deployments(tmp_path, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}) as options:
        document = json.loads(run("doctor", *options, "--json").stdout)
        assert run("doctor", *options).exit_code == 1
    found = codes(document)
    assert "hash-seed-differs" in found
    assert "chunk-hashes-differ" in found
    assert "hash-seed-unset" not in found
    assert "none-hash-differs" not in found
    assert len(found["hash-seed-differs"]) == 2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the hash of None is constant since Python 3.12")
def test_processes_with_different_hashes_of_none_are_found(tmp_path: Path) -> None:
    with two_deployments(tmp_path, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "1"}) as options:
        found = codes(json.loads(run("doctor", *options, "--json").stdout))
    assert sorted(found) == ["chunk-hashes-differ", "none-hash-differs"]


def test_processes_without_a_hash_seed_are_found(tmp_path: Path) -> None:
    with two_deployments(tmp_path, {"PYTHONHASHSEED": ""}, {"PYTHONHASHSEED": "random"}) as options:
        found = codes(json.loads(run("doctor", *options, "--json").stdout))
    assert "hash-seed-unset" in found
    assert "chunk-hashes-differ" in found


def test_hash_seeds_do_not_matter_where_the_keys_do_not_depend_on_them(tmp_path: Path) -> None:
    environments = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": ""})
    with two_deployments(tmp_path, *environments, algorithm="sha256") as options:
        result = run("doctor", *options)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("other", "severity"), [("3.9.1", "warning"), (f"3.{sys.version_info[1]}.99", "notice")])
def test_processes_with_different_versions_of_python_are_found(tmp_path: Path, other: str, severity: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import platform\nplatform.python_version = lambda: '{other}'\n")
    with two_deployments(tmp_path, {}, {"PYTHONPATH": str(tmp_path)}, algorithm="sha256") as options:
        document = json.loads(run("doctor", *options, "--json").stdout)
    assert list(codes(document)) == ["python-version-differs"]
    assert other in document["findings"][0]["evidence"]["process.python"]
    assert document["findings"][0]["severity"] == severity


def test_a_fleet_without_any_server_does_not_look_healthy(start_fleet: StartFleet) -> None:
    result = start_fleet(without=(0, 1, 2, 3, 4)).run("doctor")
    assert result.exit_code == 1
    assert "Nothing found" not in result.stdout
    assert result.stdout.splitlines()[-1] == "Nothing was checked: none of 5 ranks could be examined."


def test_troubles_that_were_not_checked_for_the_same_reason_share_a_line(fleet: Fleet) -> None:
    lines = fleet.run("doctor", "--index", "1").stdout.splitlines()
    unchecked = lines[lines.index("Not checked:") + 1 :]
    (alone,) = [line for line in unchecked if "it compares ranks" in line]
    assert alone.startswith("  chunk-hashes-differ, chunk-size-differs, ")
    assert alone.endswith(" (worker 0): it compares ranks, and 1 of them can be compared")


def long_texts(value: Any) -> Any:
    """Return facts with each text made 100,000 characters longer."""
    if isinstance(value, dict):
        return {key: item if key == "role" else long_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(long_texts, value))
    return f"{value}{'x' * 100_000}" if value is None or isinstance(value, str) else value


def test_report_of_huge_facts_is_short() -> None:
    """A hostile server may send facts, and reasons why facts are missing, of any size."""
    with make_manager() as manager:
        facts = create_app(manager).test_client().get("/doctor").get_json()["facts"]
    missing = {"rank": facts["rank"], "not_collected": dict.fromkeys(facts, "x" * 100_000)}
    for hostile in (long_texts(facts), missing):
        targets = [Target(f"http://10.0.0.1:{port}", None, port) for port in (1, 2)]
        outcomes = [Outcome(target, data) for target, data in zip(targets, (hostile, facts), strict=True)]
        document = examined(AskedFleet(Found(targets), None, 1.0, Screen()), outcomes)
        assert max(map(len, text_of(document).splitlines())) < 2000
        assert all(len(entry["why"]) < 1000 for entry in document["not_checked"])


@pytest.mark.parametrize("code", troubles())
def test_the_section_of_a_code_is_printed_without_a_server(code: str) -> None:
    trouble = troubles()[code]
    result = run("doctor", "--about", code)
    assert result.exit_code == 0
    printed = " ".join(result.stdout.split())
    for text in (code, trouble.title, trouble.meaning, trouble.confirm, trouble.next_step, trouble.reference):
        assert " ".join(text.split()) in printed


def test_an_unknown_code_is_refused_with_a_similar_one() -> None:
    result = run("doctor", "--about", "bypased")
    assert result.exit_code == 2
    assert "no trouble has the code 'bypased'; did you mean bypassed?" in result.stderr
