"""Health checks for probes, load balancers and operators: liveness, readiness, health."""

from collections.abc import Collection, Sequence
from typing import Annotated

from flask import Blueprint, request

from lmcache_internal.api import LOAD_KEY, EngineUnavailable, NotFound, Role, caller, health, operation, parse_bool
from lmcache_internal.diagnostics.checks import Level
from lmcache_internal.diagnostics.health import HEALTHY, READY, Report

router = Blueprint("health", __name__)
engines = ("in-process", "mp")

Failing = Annotated[EngineUnavailable, Report, str]

_LIVE = ("server",)


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
    return _report(_LIVE, READY, verbose)


@router.get("/livez/<check>")
@operation(
    action="check the process", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def livez_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /livez."""
    return _report(_LIVE, READY, verbose, check)


@router.get("/readyz")
@operation(action="check the engine", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing,))
def readyz(verbose: str | None = None) -> Report:
    """Check readiness: whether the engine can serve requests."""
    return _report(health().names, READY, verbose)


@router.get("/readyz/<check>")
@operation(
    action="check the engine", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def readyz_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /readyz."""
    return _report(health().names, READY, verbose, check)


@router.get("/healthz")
@operation(action="check the health", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing,))
def healthz(verbose: str | None = None) -> Report:
    """Check health; a warning is a failure."""
    return _report(health().names, HEALTHY, verbose)


@router.get("/healthz/<check>")
@operation(
    action="check the health", access=Role.PUBLIC, media="pretty", as_text=str, cheap=True, errors=(Failing, NotFound)
)
def healthz_check(check: str, verbose: str | None = None) -> Report:
    """Run one check of /healthz; a warning is a failure."""
    return _report(health().names, HEALTHY, verbose, check)


def _report(known: Sequence[str], bad: Collection[Level], verbose: str | None, check: str | None = None) -> Report:
    if check is not None and check not in known:
        raise NotFound(f"There is no check {check[:100]} here; there are: {', '.join(known)}", title="Unknown check")
    outcomes = health().outcomes([check] if check else known, request.environ.get(LOAD_KEY))
    # `?verbose` and `?verbose=` count as true.
    is_verbose = verbose is not None and parse_bool(verbose) is not False
    report = Report.of(outcomes, health().since, bad, is_verbose, detailed=caller().role >= Role.VIEWER)
    if report.status == "failed":
        raise EngineUnavailable(str(report), text=str(report), payload=report)
    return report
