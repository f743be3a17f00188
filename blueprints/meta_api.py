"""Engine metadata: model, worker, KV shape."""

from typing import Annotated, Any

from flask import Blueprint, Response

from lmcache_internal.api import EngineUnavailable, Names, masked, metadata, operation, respond

router = Blueprint("meta", __name__)

_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


@router.get("/meta")
@operation(action="read the metadata", media="text-json", cheap=True, inline=True, errors=(EngineUnavailable,))
def read_metadata(names: Names | None = None) -> Annotated[Response, dict[str, Any]]:
    """Show engine metadata: all public fields, or those in `names`."""
    found = metadata()
    public = {name: getattr(found, name) for name in dir(found) if not name.startswith("_")}
    fields = {name: value for name, value in public.items() if not callable(value)}
    chosen = [name for name in names if name in fields] if names else fields
    return respond(masked({name: _plain(fields[name]) for name in chosen}).text, "text")


def _plain(value: object) -> object:
    # Compare the exact type: torch.Size is a tuple, but LMCache shows it as `torch.Size([…])`.
    return value if type(value) in _PLAIN else str(value)
