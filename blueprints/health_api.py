"""Health checks for probes, load balancers and operators: liveness, readiness, health."""

from collections.abc import Sequence
from typing import Annotated

from flask import Blueprint, request

from lmcache_internal.api import LOAD_KEY, EngineUnavailable, NotFound, Role, health, operation, parse_bool
from lmcache_internal.diagnostics.checks import CHECKS
from lmcache_internal.diagnostics.health import Report

router = Blueprint("health", __name__)

Failing = Annotated[EngineUnavailable, Report, str]

_LIVE = ("server",)
_ALL = tuple(CHECKS)


@router.get("/livez")
@operation(
    action="check the process",
    access=Role.PUBLIC,
    media="pretty",
    as_text=str,
    cheap=True,
    inline=True,
    errors=(Failing,),
)
def livez(verbose: str | None = None) -> Report:
    """Check liveness; a failure requires a restart."""
    return _report(_LIVE, verbose)


@router.get("/livez/<check>")
@operation(
    action="check the process", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def livez_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /livez."""
    return _report(_LIVE, verbose, check)


@router.get("/readyz")
@operation(action="check the engine", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing,))
def readyz(verbose: str | None = None) -> Report:
    """Check readiness: whether the engine can serve requests."""
    return _report(_ALL, verbose)


@router.get("/readyz/<check>")
@operation(
    action="check the engine", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def readyz_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /readyz."""
    return _report(_ALL, verbose, check)


@router.get("/healthz")
@operation(action="check the health", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing,))
def healthz(verbose: str | None = None) -> Report:
    """Check health; a warning is a failure."""
    return _report(_ALL, verbose, strict=True)


@router.get("/healthz/<check>")
@operation(
    action="check the health", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def healthz_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /healthz; a warning is a failure."""
    return _report(_ALL, verbose, check, strict=True)


def _report(known: Sequence[str], verbose: str | None, check: str | None = None, strict: bool = False) -> Report:
    if check is not None and check not in known:
        raise NotFound(f"There is no check {check[:100]} here; there are: {', '.join(known)}", title="Unknown check")
    outcomes = health().outcomes([check] if check else known, request.environ.get(LOAD_KEY))
    # `?verbose` and `?verbose=` count as true.
    report = Report.of(outcomes, strict, verbose is not None and parse_bool(verbose) is not False)
    if report.status == "failed":
        raise EngineUnavailable(str(report), text=str(report), payload=report)
    return report
