"""What the endpoints of this file are about."""

from flask import Blueprint
from lmcache_internal.api import Role, engine, metadata, operation

router = Blueprint("example", __name__)


@router.get("/example")
@operation(action="show example", access=Role.VIEWER)
def show(times: int = 1) -> dict[str, object]:
    """What it tells; this line stands in the list of endpoints, GET /."""
    return {
        "greetings": [f"Hello, {metadata().model_name}!"] * times,
        "frozen": engine().is_frozen(),
    }
