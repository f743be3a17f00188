"""List and delete the objects of one MP server, in requests of a limited size and number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from .client import Client, Failure

PAGE_SIZE = 1000
"""The objects that one request asks for; the servers allow 5,000."""
MAX_PAGES = 1000
"""The largest number of requests for one list: a server could name a next page without end."""


MAX_SCANNED = 100_000
"""How many objects a server may have for `delete` to find them by their hash."""
BATCH = 1000
"""The keys in one request to delete; the servers allow 10,000."""


class ObjectKey(msgspec.Struct, frozen=True):
    """The name of an object, as the servers write it."""

    chunk_hash_hex: str
    model_name: str
    kv_rank: int
    object_group_id: int = 0
    cache_salt: str = ""


class Entry(msgspec.Struct, frozen=True):
    """An object, and its size in bytes; None if it is unknown."""

    key: ObjectKey
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Page(msgspec.Struct):
    adapter: str
    entries: list[Entry]
    shared: bool = False
    next_page_token: str | None = None


class Listing(msgspec.Struct):
    """The objects of an L2 adapter.

    Attributes:
        adapter: the type of the adapter.
        shared: whether other servers use its storage, too.
        entries: the objects.
        complete: whether these are all objects.
    """

    adapter: str
    shared: bool
    entries: list[Entry]
    complete: bool


def fetch_listing(client: Client, adapter: str | None, model: str | None, limit: int) -> Listing:
    """Fetch the first objects of an L2 adapter.

    Args:
        client: sends the requests.
        adapter: the type of the adapter, or None for the primary one.
        model: only objects of this model, or None for all.
        limit: the largest number of objects.

    Raises:
        Failure: the server gives no usable response, or its pages do not end.
    """
    given: dict[str, Any] = {"adapter": adapter, "model_name": model}
    params = {name: value for name, value in given.items() if value is not None}
    entries: list[Entry] = []
    token: str | None = None
    for _ in range(MAX_PAGES):
        size = {"page_size": min(PAGE_SIZE, limit - len(entries))}
        page = client.json(
            "GET", "/cache/objects", _Page, params=params | size | ({"page_token": token} if token else {})
        )
        entries += page.entries
        last, token = token, page.next_page_token
        if not token or len(entries) >= limit:
            complete = not token and len(entries) <= limit
            return Listing(page.adapter, page.shared, entries[:limit], complete)
        if token == last:
            raise Failure("/cache/objects names the same page again")
    raise Failure(f"/cache/objects does not end after {MAX_PAGES} pages")


def fetch_matching(client: Client, hashes: Sequence[str], adapter: str | None) -> list[Entry]:
    """Return the objects whose chunk hash starts with one of `hashes`, in lower case; raises `Failure`."""
    listing = fetch_listing(client, adapter, None, MAX_SCANNED)
    if not listing.complete:
        raise Failure(f"there are more than {MAX_SCANNED} objects; name one with --model and --kv-rank")
    return [entry for entry in listing.entries if entry.key.chunk_hash_hex.lower().startswith(tuple(hashes))]


def delete(client: Client, keys: Sequence[Any], options: dict[str, Any]) -> dict[str, int]:
    """Delete objects, and return how many were deleted, and how many are in use and stay.

    Args:
        client: sends the requests.
        keys: the keys as JSON.
        options: `tier`, `force` and `adapter`, as the server takes them.

    Raises:
        Failure: the server gives no usable response, or L2 failed; some of the objects may be deleted.
    """
    found = {"deleted": 0, "skipped": 0}
    for start in range(0, len(keys), BATCH):
        body = {"keys": keys[start : start + BATCH], **options}
        answer = client.json("DELETE", "/cache/objects", dict[str, Any], json=body)
        for name in found:
            found[name] += int(answer[name])
        if not answer["ok"]:
            reason = answer.get("error") or "the server gives no reason"
            raise Failure(f"L2 failed after {found['deleted']} deleted objects: {reason}", unsure=True)
    return found
