"""Byte limits by cache salt."""

from __future__ import annotations

from msgspec import Struct


class Quota(Struct, frozen=True):
    """The limit of one cache salt, in bytes."""

    cache_salt: str
    limit_bytes: int


class QuotaManager:
    """The quotas; the server evicts what is above a limit once a second. A salt without a quota has no limit."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}

    def set_quota(self, cache_salt: str, limit_bytes: int) -> None:
        """Set the limit of a salt."""
        self._limits[cache_salt] = limit_bytes

    def delete_quota(self, cache_salt: str) -> bool:
        """Remove the limit of a salt; return whether it had one."""
        return self._limits.pop(cache_salt, None) is not None

    def get_limit_bytes(self, cache_salt: str) -> int:
        """Return the limit of a salt; 0 without one, as LMCache does."""
        return self._limits.get(cache_salt, 0)

    def has_quota(self, cache_salt: str) -> bool:
        """Return whether a salt has a limit."""
        return cache_salt in self._limits

    def list_quotas(self) -> list[Quota]:
        """Return all limits."""
        return [Quota(*item) for item in list(self._limits.items())]
