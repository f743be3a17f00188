"""Parse the configuration of an L2 adapter with LMCache's own parser of its command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from ...conversion import cut
from ...errors import BadRequest
from ..lmcache_names import load


def parsed_adapter(spec: Mapping[str, Any]) -> Any:
    """Return LMCache's configuration of an L2 adapter, from the object that `--l2-adapter` takes.

    Raises:
        BadRequest: LMCache has no such type (400).
        ValueError: the configuration is invalid.
    """
    kind, known = spec.get("type"), load("get_registered_l2_adapter_types")()
    if kind not in known:
        raise BadRequest(
            f"type: expected one of {', '.join(known)}, got {cut(str(kind))!r}", title="Unknown adapter type"
        )
    options = argparse.Namespace(l2_adapter=[json.dumps(spec)])
    return load("parse_args_to_l2_adapters_config")(options).adapters[0]
