"""Write the dashboards as JSON: `python -m deploy.grafana.source DIRECTORY`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from . import fleet, mp, rank

DASHBOARDS = {"lmcache-fleet": fleet.dashboard, "lmcache-rank": rank.dashboard, "lmcache-mp": mp.dashboard}


def documents() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        f"{uid}.json": json.dumps(make(uid).build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for uid, make in DASHBOARDS.items()
    }


def main(directory: Path) -> None:
    """Write all dashboards to `directory`."""
    for name, text in documents().items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
