"""The configuration of an MP server, and its L2 adapters."""

from typing import Any, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import ApiError, carry_detail, mp_runtime, mp_storage, operation, redact

router = Blueprint("mp_config", __name__, url_prefix="/config")
engines = ("mp",)
carry_detail(router, ApiError)


class Adapter(TypedDict):
    """An L2 adapter; requests that name none use the primary one."""

    index: int
    type_name: str
    tier: Literal["l2"]
    primary: bool
    reconfigurable: bool


class Adapters(TypedDict):
    """All L2 adapters, in the order of their ids."""

    adapters: list[Adapter]


@router.get("")
@operation(action="read the configuration", media="pretty")
def read_config() -> dict[str, Any]:
    """Return the configuration by section, with secrets masked."""
    found: dict[str, Any] = redact(mp_runtime().configs())
    return found


@router.get("/adapters")
@operation(action="list the L2 adapters")
def list_adapters() -> Adapters:
    """List the L2 adapters in use."""
    storage = mp_storage()
    reconfigurable = storage.reconfigurable_l2_backends()
    return {
        "adapters": [
            {
                "index": number,
                "type_name": descriptor.type_name,
                "tier": "l2",
                "primary": number == 0,
                "reconfigurable": descriptor.type_name in reconfigurable,
            }
            for number, (descriptor, _) in enumerate(storage.l2_adapters())
        ]
    }
