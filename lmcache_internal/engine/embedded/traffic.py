"""Simulated user requests: continued conversations, shared system prompts, and new tokens."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator

from .links import WorkerLink
from .lookup import EmbeddedLookupClient
from .manager import EmbeddedManager
from .periodic import PeriodicThread

_SYSTEM_PROMPTS = 3
_SYSTEM_CHUNKS = 2
_MOST_CHUNKS = 6
_CONVERSATIONS = 4
_CONTINUED = 0.6
_VOCABULARY = 32_000

INTERVAL_SECONDS = 0.5
_WORKERS_AT_FULL_SPEED = 16
"""With more workers, the interval grows in proportion, which limits the CPU time of all workers together."""


def prompts(seed: int, chunk_size: int) -> Iterator[list[int]]:
    """Yield prompts without end, each of complete chunks; the same prompts for the same arguments.

    Three of five prompts continue a recent conversation and reuse its cached prefix. The others begin with one of three
    system prompts and continue with new tokens.

    Args:
        seed: seed of the random sequence.
        chunk_size: tokens per chunk.
    """
    rng = random.Random(seed)

    def fresh(chunks: int) -> list[int]:
        return [rng.randrange(_VOCABULARY) for _ in range(chunks * chunk_size)]

    systems = [fresh(_SYSTEM_CHUNKS) for _ in range(_SYSTEM_PROMPTS)]
    conversations: deque[list[int]] = deque(maxlen=_CONVERSATIONS)
    while True:
        if conversations and rng.random() < _CONTINUED:
            prompt = rng.choice(conversations)
            conversations.remove(prompt)
            prompt = prompt + fresh(1)
        else:
            prompt = rng.choice(systems) + fresh(rng.randint(1, 3))
        yield prompt
        if len(prompt) < _MOST_CHUNKS * chunk_size:
            conversations.append(prompt)


def start_traffic(scheduler: EmbeddedManager, workers: list[WorkerLink], seed: int) -> PeriodicThread:
    """Send requests to the workers, in a periodic thread of the scheduler.

    Args:
        scheduler: looks each prompt up; its `close` stops the thread.
        workers: serve each request.
        seed: see `prompts`.
    """
    requests = enumerate(prompts(seed, scheduler.config.chunk_size), 1)

    def send_one() -> str:
        number, prompt = next(requests)
        client = scheduler.lookup_client
        found = client.lookup(prompt) if isinstance(client, EmbeddedLookupClient) else 0
        for worker in workers:
            worker.run(prompt)
        return f"request {number}: {found} of {len(prompt)} tokens were cached"

    interval = INTERVAL_SECONDS * max(1.0, len(workers) / _WORKERS_AT_FULL_SPEED)
    thread = PeriodicThread("traffic", "low", interval, send_one)
    scheduler.periodic_threads.append(thread)
    thread.start()
    return thread
