"""The known troubles: one file per trouble, named after its code, with a `Trouble` named `trouble`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..modules import modules_of

if TYPE_CHECKING:
    from ..trouble import Trouble


@functools.cache
def troubles() -> Mapping[str, Trouble]:
    """Return the known troubles by code.

    Raises:
        ImportError: a file declares no trouble, or one with another code than its name.
    """
    found: dict[str, Trouble] = {}
    for name, module in modules_of(__name__).items():
        code = name.replace("_", "-")
        trouble: Trouble | None = getattr(module, "trouble", None)
        if trouble is None or trouble.code != code:
            raise ImportError(f'{module.__file__} must declare `trouble = Trouble(code="{code}", …)`')
        found[code] = trouble
    return found
