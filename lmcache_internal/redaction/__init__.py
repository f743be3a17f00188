"""Mask secrets, by the name of a value, by its form, and by its place in a text or a URL.

It may import only `conversion`, because errors, logs, responses and the command line all need it.
"""

from .masking import MASK, quoted, redact, redact_start, redact_trace

__all__ = ["MASK", "quoted", "redact", "redact_start", "redact_trace"]
