"""Answers for any number of ranks on one port, `http://127.0.0.1:PORT/RANK`, at little cost, until it is killed.

The responses have the form of a real server's; the counters grow with time.
"""

from __future__ import annotations

import asyncio
import json
import time

FAMILIES = {
    "lmcache:num_requested_tokens_total": 1000.0,
    "lmcache:num_hit_tokens_total": 700.0,
    "lmcache:num_stored_tokens_total": 300.0,
    "lmcache:num_lookup_tokens_total": 1000.0,
    "lmcache:num_lookup_hits_total": 700.0,
    "lmcache:local_cpu_evict_count_total": 5.0,
    "lmcache:local_cache_usage": 1e6,
    "lmcache:local_storage_usage": 1e6,
}
START = time.time()


def metrics(rank: int) -> str:
    labels = f'{{model_name="model-{rank % 3}",role="worker",served_model_name="",worker_id="{rank - 1}"}}'
    seconds = time.time() - START
    lines = [f"process_start_time_seconds {START}"]
    for name, speed in FAMILIES.items():
        family = name.removesuffix("_total")
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {family}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {speed * seconds * (1 + rank % 7)}"]
    return "\n".join(lines) + "\n"


def answer(rank: int, path: str) -> str:
    session = {"role": "admin", "kind": "in-process", "caller": "local", "tokens": False, "routes": {}}
    fixed = {
        "/healthz": {"status": "ok", "checks": {}, "mode": "frozen" if rank % 10 == 0 else ""},
        "/lmc_version": "0.5.7",
        "/ui/session": session,
        "/meta": {"model_name": f"model-{rank % 3}", "role": "worker", "worker_id": rank - 1},
        "/conf": {"local_cpu": True, "max_local_cpu_size": 5.0},
    }
    return metrics(rank) if path == "/metrics" else json.dumps(fixed.get(path, {}))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            _, rank, path = head.split(b" ")[1].decode().split("/", 2)
            body = answer(int(rank), "/" + path.partition("?")[0]).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
