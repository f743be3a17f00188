"""Clients that send requests without a pause on keep-alive connections; half of the requests must be refused.

    python -m tests.faults.keep_alive PORT PUBLIC_PORT CLIENTS REQUESTS

They run in their own process, which prints how many requests were served and refused as expected, and all unexpected
results.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

TIMEOUT_SECONDS = 30.0

STALE = {"If-Match": '"stale"'}
JSON = {"Content-Type": "application/json"}


class Asked(NamedTuple):
    """A request and its expected status."""

    status: int
    path: str
    method: str = "GET"
    body: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012  # Nobody changes it.
    is_public: bool = False


SERVED = [
    Asked(200, "/lmc_version"),
    Asked(200, "/conf"),
    Asked(200, "/livez"),
    Asked(200, "/backends"),
    Asked(200, "/conf?names=chunk_size"),
    Asked(200, "/conf?dry_run=true", "POST", '{"min_retrieve_tokens": 17}', JSON),
]
REFUSED = [
    Asked(401, "/lmc_version", is_public=True),
    Asked(401, "/conf", is_public=True),
    Asked(401, "/backends", is_public=True),
    Asked(404, "/nowhere"),
    Asked(412, "/conf", headers=STALE),
    Asked(412, "/conf", "POST", '{"min_retrieve_tokens": 17}', JSON | STALE),
]


def ask(ports: tuple[int, int], requests: int, seed: int) -> Counter[str]:
    """The results of one client, which mixes requests of each kind with refused ones at random."""
    chance = random.Random(seed)
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS) for port in ports]
    found: Counter[str] = Counter()
    for number in range(requests):
        asked = chance.choice(REFUSED if number % 2 else SERVED)
        connection = connections[asked.is_public]
        try:
            connection.request(asked.method, asked.path, asked.body, asked.headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            found[f"{asked.method} {asked.path}: {type(error).__name__}: {error}"] += 1
            connection.close()
            continue
        is_right = response.status == asked.status
        found["refused" if is_right and number % 2 else "served" if is_right else f"{response.status} {asked}"] += 1
    for connection in connections:
        connection.close()
    return found


def main() -> None:
    """Run all clients at once."""
    port, public_port, clients, requests = map(int, sys.argv[1:])
    with ThreadPoolExecutor(clients) as threads:
        each = threads.map(lambda seed: ask((port, public_port), requests, seed), range(clients))
        print(json.dumps(sum(each, Counter())))


if __name__ == "__main__":
    main()
