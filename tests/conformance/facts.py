"""The requests that are sent to three servers in the same order, and how strictly the responses are compared.

The three are LMCache's server on a real engine, ours on a real engine (which must respond as LMCache's does), and
ours on the embedded engine (which must respond alike as far as the engines are alike).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Closeness = Literal["exact", "shape", "status"]
"""How equal two responses must be: in content (except error messages), in names and types of JSON fields,
or only in status and media type."""


@dataclass(frozen=True)
class Fact:
    """One request.

    Attributes:
        target: "worker" or "scheduler".
        difference: key of the documented difference, which applies to the versions it lists.
        real: how equal our response on the real engine must be to LMCache's.
        embedded: how equal our response on the embedded engine must be to ours on the real one;
            None if the embedded engine lacks the feature.
        since: the first LMCache version with this response.
    """

    target: str
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    difference: str | None = None
    real: Closeness = "exact"
    embedded: Closeness | None = "exact"
    since: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.target} {self.method} {self.path}"


def worker(method: str, path: str, **options: Any) -> Fact:
    return Fact("worker", method, path, **options)


def scheduler(method: str, path: str, **options: Any) -> Fact:
    return Fact("scheduler", method, path, **options)


def post_conf(content: Any, **options: Any) -> Fact:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return worker("POST", "/conf", body=body, headers={"Content-Type": "application/json"}, **options)


def script(source: str, **options: Any) -> Fact:
    head = '--b\r\nContent-Disposition: form-data; name="script"; filename="s.py"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return worker("POST", "/run_script", body=f"{head}{source}\r\n--b--\r\n".encode(), headers=headers, **options)


def load(content: Any, **options: Any) -> Fact:
    headers = {"Content-Type": "application/json"}
    return worker("POST", "/cache/load-fs-chunks", body=json.dumps(content).encode(), headers=headers, **options)


def check(query: str, **options: Any) -> Fact:
    return worker("GET", f"/cache/kvcache/check?{query}", **options)


BOTH = (worker, scheduler)
CHUNKS = "slot_mapping=[0,511]&chunk_size=256"

READING = [
    *(
        side("GET", path, embedded="shape", difference="version")
        for side in BOTH
        for path in ("/lmc_version", "/commit_id", "/version")
    ),
    *(side("GET", "/metrics", real="status", embedded="status") for side in BOTH),
    *(side("GET", "/env", real="status", embedded="status") for side in BOTH),
    *(side("GET", "/threads", real="status", embedded="status") for side in BOTH),
    *(side("GET", "/conf", real="shape", embedded="status", difference="infinity") for side in BOTH),
    worker("GET", "/conf?names=chunk_size,local_cpu,max_local_disk_size"),
    worker("GET", "/conf?names=local_cpu,chunk_size"),
    worker("GET", "/conf?names=nope"),
    worker("GET", "/conf?names=chunk_size,nope,"),
    worker("GET", "/conf?names=", real="shape", embedded="status", difference="infinity"),
    worker("GET", "/conf?names=validate", difference="attributes"),
    worker("GET", "/conf?names=__class__", difference="attributes"),
    worker("GET", "/conf?names=pd_allocation_timeout_sec", difference="infinity", embedded=None),
    worker("GET", "/meta", embedded="status"),
    scheduler("GET", "/meta", embedded="status"),
    worker("GET", "/meta?names=worker_id,role,kv_shape,use_mla"),
    worker("GET", "/meta?names=kv_dtype", embedded="shape"),
    worker("GET", "/meta?names=nope,__class__,is_first_rank"),
    scheduler("GET", "/meta?names=role"),
    worker("GET", "/inference_info", embedded="status"),
    worker("GET", "/inference_info?format=json", embedded="status"),
    scheduler("GET", "/inference_info"),
    worker("GET", "/inference_version", difference="inference_version"),
    scheduler("GET", "/inference_version", difference="inference_version"),
    worker("GET", "/threads?name=no-such-thread"),
    worker("GET", "/threads?thread_id=1"),
    worker("GET", "/threads?thread_id=x", difference="types"),
    worker("GET", "/threads?name=&thread_id=0", real="status", embedded="status"),
    worker("GET", "/periodic-threads", real="shape", embedded="status"),
    worker("GET", "/periodic-threads?level=critical&running_only=true", real="shape", embedded="status"),
    worker("GET", "/periodic-threads?level=CRITICAL&active_only=1", real="shape", embedded="status"),
    worker("GET", "/periodic-threads?level=medium", real="shape", embedded="status"),
    worker("GET", "/periodic-threads?level=x"),
    worker("GET", "/periodic-threads?running_only=maybe", difference="types"),
    worker("GET", "/periodic-threads/PinMonitor-thread", real="shape", embedded="status"),
    worker("GET", "/periodic-threads/nope"),
    worker("GET", "/periodic-threads-health"),
    scheduler("GET", "/periodic-threads-health"),
    worker("POST", "/metrics/reset"),
    scheduler("POST", "/metrics/reset"),
]

HTTP = [
    worker("GET", "/nope", difference="error_shape"),
    worker("DELETE", "/conf", difference="error_shape"),
    worker("GET", "/run_script", difference="error_shape"),
    worker("PUT", "/backends", difference="error_shape"),
    worker("HEAD", "/freeze/status", difference="head"),
    worker("OPTIONS", "/freeze/status", difference="head"),
    worker("GET", "/freeze/status/", difference="slash"),
]

LOGLEVEL = [
    worker("GET", "/loglevel", real="status", embedded="status"),
    worker("GET", "/loglevel?logger_name=conformance"),
    worker("GET", "/loglevel?logger_name=conformance&level=debug"),
    worker("GET", "/loglevel?logger_name=conformance"),
    worker("GET", "/loglevel?logger_name=conformance&level=WARNING"),
    worker("GET", "/loglevel?logger_name=a&logger_name=conformance"),
    worker("GET", "/loglevel?logger_name=conformance&level=nope"),
    worker("GET", "/loglevel?logger_name=conformance&level="),
    worker("GET", "/loglevel?level=INFO", difference="loglevel"),
    worker("GET", "/loglevel?logger_name=conformance&level=BASIC_FORMAT", difference="basic_format"),
]

CONF = [
    post_conf({"min_retrieve_tokens": 512, "save_decode_cache": True}),
    worker("GET", "/conf?names=min_retrieve_tokens,save_decode_cache"),
    post_conf({"min_retrieve_tokens": "7", "save_decode_cache": "false"}),
    post_conf({"min_retrieve_tokens": 0, "unknown_key": 1}),
    post_conf({"unknown_key": 1}),
    post_conf({}),
    post_conf([1]),
    post_conf(b"{"),
    post_conf(b""),
    post_conf(b"\xff"),
    post_conf({"min_retrieve_tokens": "abc"}, difference="conversion"),
    post_conf({"min_retrieve_tokens": 12.7}, difference="guessing"),
    post_conf({"save_decode_cache": "maybe"}, difference="guessing"),
    post_conf({"min_retrieve_tokens": None}, difference="guessing"),
    post_conf({"local_cpu": True, "max_local_cpu_size": "0.25"}),
    post_conf({"extra_config": {"a": 1}}),
    post_conf({"extra_config": '{"b": 2}'}),
    post_conf({"extra_config": None}),
    post_conf({"local_disk": None}),
    post_conf(b'{"max_local_disk_size": NaN}', difference="numbers"),
    post_conf(b'{"max_local_disk_size": 1e400}', difference="numbers"),
    post_conf({"internal_api_server_host": "0.0.0.0"}, difference="guarded"),
    post_conf({"script_allowed_imports": ["os"]}, difference="guarded"),
    worker("POST", "/conf", body=b'{"min_retrieve_tokens": 0}'),
    scheduler("POST", "/conf", body=b'{"min_retrieve_tokens": 0}'),
]

SCRIPTS = [
    script("result = 1 + 1"),
    script("x = 1"),
    script("result = None"),
    script("result = app.state.lmcache_adapter.lmcache_engine.metadata.worker_id"),
    script("raise ValueError('broken')", difference="scripts"),
    script("result = missing_name"),
    script("import os", difference="imports"),
    script("import json\nresult = json.dumps([1])"),
    script("result = 1 // 0"),
    script("def f():\n    return g()\ndef g():\n    return 1\nresult = f()", difference="scripts"),
    script("result = len([1, 2])", difference="scripts"),
    worker("POST", "/run_script"),
    worker("POST", "/run_script", body=b"", headers={"Content-Type": "multipart/form-data; boundary=b"}),
]

STORE = [
    worker("POST", "/cache/store?tokens_mock=0,600"),
    worker("POST", "/cache/retrieve?tokens_mock=0,600"),
    worker("POST", "/cache/retrieve?tokens_mock=0,512"),
    worker("POST", "/cache/retrieve?tokens_mock=0,300"),
    worker("POST", "/cache/retrieve?tokens_mock=0,255"),
    worker("POST", "/cache/retrieve?tokens_mock=5000,5600"),
    worker("DELETE", "/cache/clear?locations=LocalCPUBackend"),
    worker("DELETE", "/cache/clear?locations=LocalCPUBackend"),
    worker("POST", "/cache/store?tokens_mock=10000,10512"),
    worker("DELETE", "/cache/clear"),
    worker("DELETE", "/cache/clear?locations=LocalCPUBackend&locations=LocalCPUBackend"),
    worker("DELETE", "/cache/clear?locations=Nope", difference="location"),
    worker("DELETE", "/cache/clear", body=b'{"a": 1}', headers={"Content-Type": "application/json"}),
    worker("DELETE", "/cache/clear", body=b"[1]", headers={"Content-Type": "application/json"}, difference="types"),
    worker("POST", "/cache/store"),
    worker("POST", "/cache/store?tokens_mock="),
    worker("POST", "/cache/store?tokens_mock=5"),
    worker("POST", "/cache/store?tokens_mock=a,b"),
    worker("POST", "/cache/store?tokens_mock=5,5"),
    worker("POST", "/cache/store?tokens_mock=1,2,3"),
    worker("POST", "/cache/store?tokens_mock=10,5"),
    worker("POST", "/cache/store?tokens_mock=0,20&tokens_mock=0,10"),
    worker("POST", "/cache/retrieve"),
    worker("POST", "/cache/retrieve?tokens_mock=x"),
    scheduler("POST", "/cache/store?tokens_mock=0,10"),
    scheduler("POST", "/cache/retrieve?tokens_mock=0,10"),
    scheduler("POST", "/cache/store", difference="check_order"),
    scheduler("DELETE", "/cache/clear"),
]

FREEZE = [
    worker("GET", "/freeze/status"),
    worker("PUT", "/freeze/enable"),
    worker("GET", "/freeze/status"),
    worker("POST", "/cache/store?tokens_mock=20000,20512"),
    worker("POST", "/cache/retrieve?tokens_mock=20000,20512"),
    worker("PUT", "/freeze/disable"),
    worker("POST", "/cache/store?tokens_mock=20000,20512"),
    worker("POST", "/cache/retrieve?tokens_mock=20000,20512"),
    *(
        scheduler(method, f"/freeze/{path}")
        for method, path in (("PUT", "enable"), ("PUT", "disable"), ("GET", "status"))
    ),
    worker("GET", "/hot_cache/status"),
    worker("PUT", "/hot_cache/disable"),
    worker("GET", "/hot_cache/status"),
    worker("PUT", "/hot_cache/enable"),
    worker("GET", "/hot_cache/status"),
    *(
        scheduler(method, f"/hot_cache/{path}")
        for method, path in (("PUT", "enable"), ("PUT", "disable"), ("GET", "status"))
    ),
]

KV_CACHES = [
    worker("GET", "/cache/kvcache/info", embedded="shape", difference="kvcache_info"),
    scheduler("GET", "/cache/kvcache/info"),
    check(CHUNKS, embedded="shape"),
    check(f"{CHUNKS}&layerwise=true", embedded="shape"),
    check("slot_mapping=1,2,3,[9,12],17&chunk_size=4", embedded="shape"),
    check("slot_mapping=5,3,1,2,4&chunk_size=2", embedded="shape"),
    check("slot_mapping=0&chunk_size=100", embedded="shape"),
    check("slot_mapping=,&chunk_size=4"),
    check("slot_mapping=1,%202&chunk_size=4", embedded="shape"),
    check("slot_mapping=0,1", difference="chunk_size"),
    check("chunk_size=4"),
    check("slot_mapping=&chunk_size=4"),
    check("slot_mapping=a&chunk_size=4"),
    check("slot_mapping=[3,1]&chunk_size=4"),
    check("slot_mapping=[1,2&chunk_size=4"),
    check("slot_mapping=99999&chunk_size=4"),
    check("slot_mapping=-1&chunk_size=4"),
    check("slot_mapping=0&chunk_size=0"),
    check("slot_mapping=0&chunk_size=-1"),
    check("slot_mapping=0&chunk_size=x", difference="types"),
    check("slot_mapping=0&chunk_size=4&layerwise=x", difference="types"),
    scheduler("GET", "/cache/kvcache/check?slot_mapping=0&chunk_size=4"),
    worker("POST", "/cache/store?tokens_mock=30000,30512"),
    check(CHUNKS, embedded="shape"),
    worker("POST", "/cache/retrieve?tokens_mock=30000,30512"),
    check(CHUNKS, embedded="shape"),
    worker("POST", "/cache/kvcache/record_slot"),
    worker("POST", "/cache/kvcache/record_slot?enabled=true"),
    worker("POST", "/cache/kvcache/record_slot?enabled=TRUE"),
    worker("POST", "/cache/kvcache/record_slot"),
    worker("POST", "/cache/kvcache/record_slot?enabled=false"),
    worker("POST", "/cache/kvcache/record_slot?enabled=1"),
    worker("POST", "/cache/kvcache/record_slot?enabled=x"),
    scheduler("POST", "/cache/kvcache/record_slot", difference="record_slot"),
]

# Two more layers with other shapes: one with half the slots, one with heads before tokens.
OTHER_LAYERS = """
caches = app.state.lmcache_adapter.kv_caches
first = caches['model.layers.0']
caches['short'] = first[:, :1]
caches['fused'] = first.permute(1, 3, 2, 0, 4).flatten(3)
"""

KV_LAYOUTS = [
    script(OTHER_LAYERS, embedded=None),
    worker("GET", "/cache/kvcache/info", difference="kvcache_info", embedded=None),
    check("slot_mapping=0,256,7&chunk_size=2&layerwise=true", difference="kv_layout", embedded=None),
    script("del app.state.lmcache_adapter.kv_caches['fused']\nresult = 1", embedded=None),
    check("slot_mapping=0,7,256&chunk_size=2&layerwise=true", embedded=None),
    check("slot_mapping=0,7,256&chunk_size=2", embedded=None),
    check("slot_mapping=0,7,255&chunk_size=2&layerwise=true", embedded=None),
    script("del app.state.lmcache_adapter.kv_caches['short']\nresult = 1", embedded=None),
]

BACKENDS = [
    worker("GET", "/backends", embedded="status"),
    worker("DELETE", "/backends/Nope", embedded="status"),
    worker("POST", "/backends", embedded="status"),
    worker("POST", "/backends/Nope/recreate", embedded="status"),
    worker("GET", "/bypass/list", embedded="status"),
    worker("PUT", "/bypass/add?backend_name=LocalDiskBackend"),
    worker("PUT", "/bypass/add?backend_name=LocalDiskBackend"),
    worker("GET", "/bypass/list", embedded="status"),
    worker("PUT", "/bypass/remove?backend_name=LocalDiskBackend"),
    worker("PUT", "/bypass/remove?backend_name=LocalDiskBackend"),
    worker("PUT", "/bypass/add?backend_name=Nope"),
    worker("PUT", "/bypass/remove?backend_name=Nope"),
    worker("PUT", "/bypass/add"),
    worker("PUT", "/bypass/remove?backend_name="),
    worker("DELETE", "/backends/LocalDiskBackend", embedded="status"),
    worker("DELETE", "/backends/LocalDiskBackend", embedded="status"),
    worker("GET", "/backends", embedded="status"),
    worker("POST", "/backends", embedded="status"),
    post_conf({"max_local_disk_size": 0.5}),
    worker("POST", "/backends/LocalDiskBackend/recreate", embedded="status"),
    worker("GET", "/backends", embedded="status"),
    worker("POST", "/backends/RemoteBackend/recreate", embedded=None),
    worker("GET", "/backends", embedded="status"),
    *(
        scheduler(method, f"/backends{path}")
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/X"), ("POST", "/X/recreate"))
    ),
    scheduler("GET", "/bypass/list"),
    scheduler("PUT", "/bypass/add?backend_name=LocalCPUBackend"),
    scheduler("PUT", "/bypass/add", difference="check_order"),
]

LOOKUP = [
    worker("GET", "/lookup/info", embedded="shape", since=(0, 4)),
    scheduler("GET", "/lookup/info", embedded="shape", since=(0, 4)),
    worker("POST", "/lookup/create?dryrun=true", embedded="shape"),
    worker("POST", "/lookup/close", embedded="shape"),
    worker("POST", "/lookup/recreate", since=(0, 4)),
    worker("POST", "/lookup/create", embedded="shape"),
    worker("GET", "/lookup/info", embedded="shape", since=(0, 4)),
    worker("POST", "/lookup/recreate", embedded="shape"),
    worker("POST", "/lookup/create?dryrun=x", difference="types"),
    scheduler("POST", "/lookup/recreate", embedded="shape"),
    scheduler("POST", "/lookup/close", embedded="shape"),
    scheduler("POST", "/lookup/recreate", since=(0, 4)),
    scheduler("POST", "/lookup/create?dryrun=1", embedded="shape", since=(0, 4)),
    scheduler("POST", "/lookup/create", embedded="shape", since=(0, 4)),
    scheduler("GET", "/lookup/info", embedded="shape", since=(0, 4)),
]

STATISTICS = [
    scheduler("GET", "/chunk_statistics/status", real="shape", embedded="status"),
    scheduler("POST", "/chunk_statistics/start"),
    scheduler("POST", "/chunk_statistics/stop"),
    scheduler("POST", "/chunk_statistics/reset"),
    *(
        worker(method, f"/chunk_statistics/{path}")
        for method, path in (("GET", "status"), ("POST", "start"), ("POST", "stop"), ("POST", "reset"))
    ),
]

CONTROLLER = [
    scheduler("GET", "/controller/key-stats", embedded=None),
    scheduler("GET", "/controller/workers", real="shape", embedded=None),
    scheduler("GET", "/controller/workers?instance_id=inst-a", real="shape", embedded=None),
    scheduler("GET", "/controller/workers?instance_id=inst-a&worker_id=0", real="shape", embedded=None),
    scheduler("GET", "/controller/workers?instance_id=nope", difference="error_shape", embedded=None),
    scheduler("GET", "/controller/workers?instance_id=inst-a&worker_id=7", difference="error_shape", embedded=None),
    scheduler("GET", "/controller/workers?worker_id=x", difference="types"),
    worker("GET", "/controller/key-stats", difference="error_shape"),
    worker("GET", "/controller/workers", difference="error_shape"),
]

LOAD = [
    load({"config_path": "{directory}/fs.yaml"}, embedded="shape"),
    load({"config_path": "{directory}/fs.yaml", "max_chunks": 1}, embedded="shape"),
    load({"config_path": "{directory}/fs.yaml", "max_chunks": "1", "max_failed_keys": 0}, embedded="shape"),
    load({"config_path": "{directory}/empty.yaml"}, embedded=None),
    load({"config_path": "{directory}/damaged.yaml"}, embedded=None),
    load({"config_path": "/no/such/file.yaml"}, difference="error_shape"),
    load({"config_path": "{directory}/broken.yaml"}, difference="error_shape"),
    load({"config_path": "{directory}/nothing.yaml"}, difference="error_shape", embedded=None),
    load({}, difference="types"),
    load({"config_path": 3}, difference="types"),
    scheduler(
        "POST",
        "/cache/load-fs-chunks",
        body=b'{"config_path": "x"}',
        headers={"Content-Type": "application/json"},
    ),
]

FACTS: list[Fact] = [
    *READING,
    *HTTP,
    *LOGLEVEL,
    *SCRIPTS,
    *STORE,
    *FREEZE,
    *KV_CACHES,
    *KV_LAYOUTS,
    *LOAD,
    *BACKENDS,
    *LOOKUP,
    *STATISTICS,
    *CONTROLLER,
    *CONF,
]
