"""Requests as users send them: conversations that go on, prompts that are shared, documents that are read once."""

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
"""With more workers, requests are as much rarer: all of them together take a bounded share of the CPU."""


def prompts(seed: int, chunk_size: int) -> Iterator[list[int]]:
    """Endless prompts, each of whole chunks; the same ones for the same arguments.

    Three of five continue one of the last conversations, whose cached prefix is then reused. The others begin with one
    of three system prompts and go on with tokens that nobody has seen.

    Args:
        seed: which sequence.
        chunk_size: tokens per chunk.
    """
    chance = random.Random(seed)

    def fresh(chunks: int) -> list[int]:
        return [chance.randrange(_VOCABULARY) for _ in range(chunks * chunk_size)]

    systems = [fresh(_SYSTEM_CHUNKS) for _ in range(_SYSTEM_PROMPTS)]
    conversations: deque[list[int]] = deque(maxlen=_CONVERSATIONS)
    while True:
        if conversations and chance.random() < _CONTINUED:
            prompt = chance.choice(conversations)
            conversations.remove(prompt)
            prompt = prompt + fresh(1)
        else:
            prompt = chance.choice(systems) + fresh(chance.randint(1, 3))
        yield prompt
        if len(prompt) < _MOST_CHUNKS * chunk_size:
            conversations.append(prompt)


def start_traffic(scheduler: EmbeddedManager, workers: list[WorkerLink], seed: int) -> PeriodicThread:
    """Send requests through the scheduler to its workers, in a periodic thread of the scheduler.

    Args:
        scheduler: looks each prompt up; it stops the thread when it is closed.
        workers: they serve each request.
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
