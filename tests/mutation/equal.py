"""Mutants that are equivalent to the code: no test can detect them, so they are not tried."""

from __future__ import annotations

_IGNORED = "The property takes the time itself, and ignores the value."
_LONGER = "A token of one random byte more is as good."

# File, line before, line after; why they are equivalent.
EQUAL: dict[tuple[str, str, str], str] = {
    ("lmcache_internal/serving/connection.py", "self.last_activity = 0.0", "self.last_activity = 1.0"): _IGNORED,
    ("lmcache_internal/serving/connection.py", "self.last_activity = 0.0", "self.last_activity = -1.0"): _IGNORED,
    (
        "lmcache_internal/security/tokens.py",
        'text, salt = f"lmci_{secrets.token_urlsafe(32)}", secrets.token_hex(16)',
        'text, salt = f"lmci_{secrets.token_urlsafe( 33)}", secrets.token_hex(16)',
    ): _LONGER,
}
