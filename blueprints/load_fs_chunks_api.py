"""Warm-up of the hot cache from chunk files."""

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
    """The chunk files to load.

    Attributes:
        config_path: path, on the engine's machine, of a YAML configuration with an FS connector.
        max_chunks: maximum number of chunks to load; 0 or absent: all.
        max_failed_keys: maximum number of keys in `failed_keys`.
    """

    config_path: Annotated[str, Meta(min_length=1, pattern=r"^[^\x00]*$")]
    max_chunks: Annotated[int, Meta(ge=0)] | None = None
    max_failed_keys: Annotated[int, Meta(ge=0, le=10_000)] = 10


class Loaded(TypedDict):
    """The result of loading chunk files.

    Attributes:
        loaded_chunks: number of chunks loaded into the hot cache.
        total_files: number of chunk files.
        failed_keys: keys of chunks that failed to load.
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
    """Load chunk files of an FS connector into the hot cache."""
    started_engine(_UNAVAILABLE)
    chunks = runtime().load_fs_chunks(request.config_path, request.max_chunks)
    return {
        "status": "success",
        "loaded_chunks": chunks.loaded,
        "total_files": chunks.total,
        "failed_keys": chunks.failed[: request.max_failed_keys],
        "config_path": request.config_path,
    }
