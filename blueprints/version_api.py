"""Which engine this is."""

from flask import Blueprint

from lmcache_internal.api import EngineUnavailable, operation, runtime

router = Blueprint("version", __name__)
engines = ("in-process", "mp")


@router.get("/lmc_version")
@operation(action="get the LMCache version", cheap=True, inline=True, errors=(EngineUnavailable,))
def lmc_version() -> str:
    """The engine's version."""
    return runtime().lmc_version


@router.get("/commit_id")
@operation(action="get the commit id", cheap=True, inline=True, errors=(EngineUnavailable,))
def commit_id() -> str:
    """The commit that the engine was built from."""
    return runtime().commit_id


@router.get("/version")
@operation(action="get the version", cheap=True, inline=True, errors=(EngineUnavailable,))
def version() -> str:
    """The engine's version and commit in one."""
    return runtime().version
