"""How much of an MP server's memory each tenant (cache salt) may use."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint
from msgspec import Struct

from lmcache_internal.api import Meta, Role, carry_sentence, mp_storage, note, operation

router = Blueprint("mp_quota", __name__, url_prefix="/quota")
engines = ("mp",)
carry_sentence(router)

GIB = 1 << 30
NO_SALT = "_default"
"""In paths, where the salt of anonymous requests, an empty text, cannot be written."""

Salt = Annotated[str, Meta(max_length=256)]


class SetRequest(Struct):
    """The limit, in GiB."""

    limit_gb: Annotated[float, Meta(ge=0, le=1e9)]


class Usage(TypedDict):
    """The limit and the usage of a salt, in GiB."""

    limit_gb: float
    current_usage_gb: float


class Users(TypedDict):
    """All salts that have a quota."""

    users: dict[str, Usage]


class Quota(Usage):
    """One salt; `exists` says whether it has a quota."""

    cache_salt: str
    exists: bool


class QuotaSet(TypedDict):
    """The quota that was set."""

    cache_salt: str
    limit_gb: float
    status: Literal["ok"]


class Removed(TypedDict):
    """Whether there was a quota to remove."""

    cache_salt: str
    status: Literal["removed", "not_found"]


@router.get("")
@operation(action="list the quotas")
def list_quotas() -> Users:
    """List the quota and the usage of each salt that has a quota."""
    storage = mp_storage()
    used = storage.get_usage_bytes_by_cache_salt()
    users: dict[str, Usage] = {
        quota.cache_salt or NO_SALT: {
            "limit_gb": quota.limit_bytes / GIB,
            "current_usage_gb": used.get(quota.cache_salt, 0) / GIB,
        }
        for quota in storage.quota_manager.list_quotas()
    }
    return {"users": users}


@router.get("/<cache_salt>")
@operation(action="get the quota")
def get_quota(cache_salt: Salt) -> Quota:
    """Return the quota and the usage of a salt; `_default` is the salt of anonymous requests."""
    storage, salt = mp_storage(), _salt(cache_salt)
    return {
        "cache_salt": cache_salt,
        "limit_gb": storage.quota_manager.get_limit_bytes(salt) / GIB,
        "current_usage_gb": storage.get_usage_bytes_by_cache_salt().get(salt, 0) / GIB,
        "exists": storage.quota_manager.has_quota(salt),
    }


@router.put("/<cache_salt>")
@operation(action="set the quota", access=Role.OPERATOR, exclusive=True)
def set_quota(cache_salt: Salt, request: SetRequest) -> QuotaSet:
    """Set the quota of a salt; usage above it is evicted within seconds."""
    quotas = mp_storage().quota_manager
    note(cache_salt=cache_salt, old=quotas.get_limit_bytes(_salt(cache_salt)) / GIB, new=request.limit_gb)
    quotas.set_quota(_salt(cache_salt), int(request.limit_gb * GIB))
    return {"cache_salt": cache_salt, "limit_gb": request.limit_gb, "status": "ok"}


@router.delete("/<cache_salt>")
@operation(action="remove the quota", access=Role.OPERATOR, exclusive=True)
def delete_quota(cache_salt: Salt) -> Removed:
    """Remove the quota of a salt."""
    removed = mp_storage().quota_manager.delete_quota(_salt(cache_salt))
    return {"cache_salt": cache_salt, "status": "removed" if removed else "not_found"}


def _salt(in_path: str) -> str:
    return "" if in_path == NO_SALT else in_path
