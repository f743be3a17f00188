"""`metrics`, `threads`, `bundle` and `conf get` for MP servers, ours and LMCache's own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal.cli.metrics import selected
from lmcache_internal.cli.salts import without_salts
from lmcache_internal.cli.thread_dump import groups_in
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.cli.mp_fleet import THREADS, LMCache, run, run_json
from tests.linear import is_linear, repeated


def test_metrics_of_mp_servers_have_their_address(
    mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache]
) -> None:
    result = run("metrics", "--url", mp[0], "--url", lmcache[0])
    assert result.exit_code == 0
    families = list(text_string_to_metric_families(result.stdout))
    addresses = {sample.labels["address"] for family in families for sample in family.samples}
    assert addresses == {mp[0], lmcache[0]}
    assert "lmcache_mp_l2_usage_bytes" in {family.name for family in families}


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("lmcache_mp_l2_usage_bytes", ["lmcache_mp_l2_usage_bytes"]),
        ("lmcache_mp_lookup_hit_tokens", ["lmcache_mp_lookup_hit_tokens_total"]),
        ("lmcache_mp_lookup_hit_tokens_total", ["lmcache_mp_lookup_hit_tokens_total"]),
        ("nothing", []),
        ("lmcache_mp", []),
    ],
)
def test_names_choose_although_lmcaches_server_ignores_them(
    lmcache: tuple[str, LMCache], name: str, samples: list[str]
) -> None:
    result = run("metrics", "--name", name, "--url", lmcache[0])
    assert result.exit_code == 0
    found = [sample.name for family in text_string_to_metric_families(result.stdout) for sample in family.samples]
    assert found == samples


def test_selected_sample_of_a_histogram_keeps_its_type() -> None:
    text = '# HELP a A\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 2\na_count 1\n# HELP b B\n# TYPE b gauge\nb 1\n'
    assert selected(text, ["a_sum"]) == "# HELP a A\n# TYPE a histogram\na_sum 2\n"
    assert selected(text, ["a"]) == text.partition("# HELP b")[0]
    assert selected("# no metric x\n", ["x"]) == "# no metric x\n"


def test_selection_is_the_same_as_that_of_our_server(mp: tuple[str, EmbeddedMPManager]) -> None:
    from urllib.request import urlopen

    for name in ("python_info", "process_start_time_seconds", "python_gc_collections", "python_gc_collections_total"):
        with urlopen(f"{mp[0]}/metrics?name[]={name}", timeout=10) as response:
            text = response.read().decode()
        assert selected(text, [name]) == text
        assert text.count("\n") >= 3


def test_threads_of_both_kinds_are_grouped(mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache]) -> None:
    result = run("threads", "--url", mp[0], "--url", lmcache[0])
    assert result.exit_code == 0, result.stderr
    assert f"  MP server ({lmcache[0]}): mq-server-thread" in result.stdout
    assert 'File "/a/mq.py", line 7, in run\n      poll()' in result.stdout
    assert "l1-eviction" in result.stdout


def test_thread_dump_of_lmcache_is_read_with_names_and_sources() -> None:
    found = groups_in(THREADS)
    assert found is not None
    assert [group["names"] for group in found["groups"]] == [["MainThread"], ["mq-server-thread"]]
    assert found["groups"][0]["stack"][1] == {
        "file": "/a/server.py",
        "line": 90,
        "function": "serve",
        "source": "wait()",
    }
    assert groups_in(THREADS.replace("    wait()\n", "")) is not None  # A call without source.


@pytest.mark.parametrize(
    "text", ["", "Thread: MainThread\n", "Thread: <A(", "<html>", "Thread: <A(b, started 1)>\n" * 3]
)
def test_text_without_a_thread_dump_has_no_groups(text: str) -> None:
    assert groups_in(text) is None


def bundled(path: Path, *urls: str) -> dict[str, str]:
    result = run("bundle", "-o", str(path), *(part for url in urls for part in ("--url", url)))
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_bundle_has_the_files_of_an_mp_server(
    mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache], tmp_path: Path
) -> None:
    found = bundled(tmp_path / "b.zip", mp[0], lmcache[0])
    first, second = (f"MP-server--{url.removeprefix('http://').replace(':', '-')}" for url in (mp[0], lmcache[0]))
    servers = json.loads(found["manifest.json"])["servers"]
    assert servers[first]["missing"] == {}
    missing = {"health.json", "healthcheck.json", "periodic_threads.json", "audit.json"}
    assert set(servers[second]["missing"]) == missing
    assert json.loads(found[f"{first}/status.json"])["engine_type"] == "EmbeddedMPServer"
    assert json.loads(found[f"{second}/status.json"])["engine_type"] == "MPCacheServer"


def test_bundle_has_neither_secrets_nor_cache_salts(lmcache: tuple[str, LMCache], tmp_path: Path) -> None:
    found = bundled(tmp_path / "b.zip", lmcache[0])
    for name, content in found.items():
        assert "hunter2" not in content, name
        assert "alice" not in content, name
    quotas = next(json.loads(content) for name, content in found.items() if name.endswith("quotas.json"))
    assert list(quotas["users"]) == ["salt-1"]
    metrics = next(content for name, content in found.items() if name.endswith("metrics.txt"))
    assert 'cache_salt="salt-1"' in metrics


def test_salts_have_the_same_number_in_all_files() -> None:
    def files(first: str, second: str, third: str) -> dict[str, Any]:
        metrics = ['a{cache_salt="%s",m="m"} 1', 'a{m="m",cache_salt="%s"} 1', 'a{cache_salt="%s"} 1']
        return {
            "metrics": "\n".join([*metrics, 'a{cache_salt=""} 1', 'b{x_cache_salt="bob"} 1']) % (first, second, third),
            "quotas": {"users": {second: {"limit_gb": 1}, "_default": {}}},
            "audit": [{"path": f"/quota/{second}", "details": {"cache_salt": second}}, {"path": "/quota/_default"}],
        }

    assert without_salts(files('x\\"y', "bob", "u, v}")) == files("salt-1", "salt-2", "salt-3")


def test_conf_get_shows_paths_with_secrets_masked(
    mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache]
) -> None:
    (entry,) = run_json("conf", "get", "--url", lmcache[0])
    assert entry["data"] == {"mp.chunk_size": 256, "storage_manager.adapters.0.password": "***"}
    lines = run("conf", "get", "mp.chunk_size", "--url", lmcache[0], "--url", mp[0]).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["VALUE", "256", "16"]


def test_conf_get_takes_sections_and_suggests_keys(lmcache: tuple[str, LMCache]) -> None:
    (entry,) = run_json("conf", "get", "storage_manager", "--url", lmcache[0])
    assert list(entry["data"]) == ["storage_manager.adapters.0.password"]
    result = run("conf", "get", "mp.chunk_sise", "--url", lmcache[0])
    assert result.exit_code == 1
    assert "there is no key 'mp.chunk_sise'; did you mean mp.chunk_size?" in result.stderr
    assert "leave out --details" in run("conf", "get", "--details", "--url", lmcache[0]).stderr


def test_routes_of_both_kinds_are_those_of_their_api_documents(
    mp: tuple[str, EmbeddedMPManager], lmcache: tuple[str, LMCache]
) -> None:
    lmcache[1].bodies["GET /openapi.json"] = {"paths": {"/quota": {"get": {"summary": "List"}, "parameters": []}}}
    result = run("routes", "--url", mp[0], "--url", lmcache[0])
    assert result.exit_code == 0, result.output
    rows = [line.split()[:3] for line in result.stdout.splitlines()]
    assert ["GET", "/quota", "viewer"] in rows
    (_, entry) = run_json("routes", "--url", mp[0], "--url", lmcache[0])
    assert entry["data"] == [{"method": "GET", "path": "/quota", "access": "-", "summary": "List"}]


def test_known_salts_are_replaced_in_every_place() -> None:
    """A message of an error, a label with a space before it, or the status of an engine may have a salt, too."""
    secret = "salt-of-alice"
    files = {
        "quotas.json": {"users": {secret: {"limit_gb": 1}, "1": {"limit_gb": 2}}},
        "status.json": {"usage": {secret: 1}, "sessions": [secret], "count": 1},
        "audit.json": [{"error": f"No quota for cache_salt='{secret}'", "query": f"cache_salt={secret}&x={secret}"}],
        "metrics.txt": f'x{{a="b", cache_salt="{secret}"}} 1',
        "threads.txt": f"call: set the quota of {secret}",
    }
    found = without_salts(files)
    assert secret not in repr(found)
    assert found["metrics.txt"].endswith(" 1"), "the number is no salt"
    assert found["status.json"] == {"usage": {"salt-1": 1}, "sessions": ["salt-1"], "count": 1}


def test_replacing_salts_takes_linear_time() -> None:
    def replace(text: str) -> None:
        users: dict[str, Any] = {f"tenant-{n:06}": {} for n in range(len(text) // 400)}
        without_salts({"quotas.json": {"users": users}, "threads.txt": text})

    assert is_linear(replace, repeated("tenant-0 "), 2_000_000)
