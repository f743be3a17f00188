"""The endpoints of this file, in one sentence."""

from flask import Blueprint
from lmcache_internal.api import Role, engine, metadata, operation

router = Blueprint("example", __name__)


@router.get("/example")
@operation(action="show example", access=Role.VIEWER)
def show(times: int = 1) -> dict[str, object]:
    """This line is the summary of the endpoint in the list, GET /."""
    return {
        "greetings": [f"Hello, {metadata().model_name}!"] * times,
        "frozen": engine().is_frozen(),
    }
