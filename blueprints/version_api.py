"""Version of the engine."""

from flask import Blueprint

from lmcache_internal.api import EngineUnavailable, operation, runtime

router = Blueprint("version", __name__)
engines = ("in-process", "mp")


@router.get("/lmc_version")
@operation(action="get the LMCache version", cheap=True, inline=True, errors=(EngineUnavailable,))
def lmc_version() -> str:
    """Show the LMCache version."""
    return runtime().lmc_version


@router.get("/commit_id")
@operation(action="get the commit id", cheap=True, inline=True, errors=(EngineUnavailable,))
def commit_id() -> str:
    """Show the commit id of the engine's build."""
    return runtime().commit_id


@router.get("/version")
@operation(action="get the version", cheap=True, inline=True, errors=(EngineUnavailable,))
def version() -> str:
    """Show the version and commit id of the engine."""
    return runtime().version
