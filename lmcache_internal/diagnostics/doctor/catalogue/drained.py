"""The rank is drained."""

from .. import Trouble

trouble = Trouble(
    code="drained",
    group="mode",
    title="The rank is drained",
    severity="notice",
    meaning="A drained rank fails its readiness check, so load balancers send it no requests. It still serves "
    "the requests that it gets, but it stores no prompts that other ranks compute.",
    confirm="`GET /admin/drain` shows the reason, since when and until when.",
    next_step="Return the rank to rotation: POST /admin/undrain.",
)
