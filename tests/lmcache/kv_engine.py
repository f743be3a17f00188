"""A real worker; tests set the KV caches of its inference engine."""

from __future__ import annotations

from typing import Any

from lmcache_internal import create_app
from lmcache_internal.testing.real_engine import make_worker

Tensors = Any  # One tensor, or several tensors of one layer.


class Engine:
    """The worker, used over HTTP."""

    def __init__(self) -> None:
        self.manager = make_worker("layouts")
        self._client = create_app(self.manager).test_client()

    def set_caches(self, caches: dict[str, Tensors], block_size: int | None) -> None:
        info = {} if block_size is None else {"cache_config": {"block_size": block_size}}
        self.manager._connector.kv_caches = caches
        self.manager._connector.get_inference_info = lambda: info

    def get(self, path: str, status: int = 200) -> Any:
        response = self._client.get(f"/cache/kvcache/{path}")
        assert response.status_code == status, response.text
        return response.get_json()

    def checksums(self, slots: str, chunk_size: int = 1) -> dict[str, list[str]]:
        body = self.get(f"check?slot_mapping={slots}&chunk_size={chunk_size}&layerwise=true")
        found: dict[str, list[str]] = body["chunk_checksums"]
        return found
