"""Warm the hot cache from chunk files."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    BadRequest,
    EngineFailed,
    Meta,
    Role,
    Struct,
    carry_detail,
    operation,
    runtime,
    started_engine,
)

router = Blueprint("load_fs_chunks", __name__)
carry_detail(router, BadRequest, EngineFailed, with_title=True)

_UNAVAILABLE = "/cache/load-fs-chunks API is unavailable"


class LoadRequest(Struct):
    """What to load.

    Attributes:
        config_path: a YAML configuration on the engine's machine that names the chunk files.
        max_chunks: how many chunks to load at most; all when 0 or absent.
        max_failed_keys: how many keys of failed chunks to name.
    """

    config_path: Annotated[str, Meta(min_length=1, pattern=r"^[^\x00]*$")]
    max_chunks: Annotated[int, Meta(ge=0)] | None = None
    max_failed_keys: Annotated[int, Meta(ge=0, le=10_000)] = 10


class Loaded(TypedDict):
    """What became of the chunk files.

    Attributes:
        loaded_chunks: how many are in the hot cache now.
        total_files: how many there are.
        failed_keys: the keys of those that could not be loaded.
    """

    status: Literal["success"]
    loaded_chunks: int
    total_files: int
    failed_keys: list[str]
    config_path: str


@router.post("/cache/load-fs-chunks")
@operation(
    action="load chunks from FSConnector", access=Role.ADMIN, media="pretty", exclusive=True, limit="long", timeout=3600
)
def load(request: LoadRequest) -> Loaded:
    """Read the chunk files of the FS connector that `config_path` names into the hot cache."""
    started_engine(_UNAVAILABLE)
    chunks = runtime().load_fs_chunks(request.config_path, request.max_chunks)
    return {
        "status": "success",
        "loaded_chunks": chunks.loaded,
        "total_files": chunks.total,
        "failed_keys": chunks.failed[: request.max_failed_keys],
        "config_path": request.config_path,
    }
