"""Python scripts in the engine's process."""

import hashlib
from typing import Annotated

from flask import Blueprint, Response, after_this_request, request

from lmcache_internal.api import (
    BadRequest,
    Busy,
    CallTimedOut,
    EngineUnavailable,
    NotFound,
    Role,
    Upload,
    caller,
    config,
    internal_app,
    is_local,
    note,
    operation,
    settings,
)
from lmcache_internal.diagnostics.scripts import WHERE_OUTPUT_IS, Outcome, ScriptFailed, run_script

router = Blueprint("run_script", __name__)
engines = ("in-process", "mp")

_HOW_TO_ENABLE = (
    "The /run_script API is disabled: it executes the caller's code inside the engine's process. To enable it, set "
    "run_script_api_enabled: true in the configuration (or LMCACHE_RUN_SCRIPT_API_ENABLED=true) and restart."
)


@router.post("/run_script")
@operation(
    action="run the script",
    access=Role.ADMIN,
    as_text=str,
    cheap=True,
    errors=(
        BadRequest,
        Busy,
        EngineUnavailable,
        Annotated[NotFound, str],
        Annotated[ScriptFailed, Outcome, str],
        Annotated[CallTimedOut, Outcome, str],
    ),
)
def run(script: Upload) -> Outcome:
    """Run the uploaded Python file `script` and return its variable `result`; as JSON, also its output."""
    if not _enabled():
        raise NotFound(_HOW_TO_ENABLE, text=_HOW_TO_ENABLE)
    digest, limits = hashlib.sha256(script).hexdigest(), settings()
    note(script_sha256=digest)
    allowed = getattr(config(), "script_allowed_imports", None) or ()
    about = f"SHA-256 {digest[:12]}…, sent by {caller().name}"
    outcome = run_script(script, internal_app(), allowed, limits.script_timeout, limits.max_scripts, about)
    if outcome.stdout:
        after_this_request(_tell_where_output_is)
    return outcome


def _tell_where_output_is(response: Response) -> Response:
    # In a header: the body is the result, as LMCache's is.
    if response.mimetype == "text/plain":
        response.headers["Script-Output"] = WHERE_OUTPUT_IS
    return response


def _enabled() -> bool:
    decided = getattr(config(), "run_script_api_enabled", None)
    return decided if isinstance(decided, bool) else is_local(request.environ)
