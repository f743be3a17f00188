"""Write the pages of the site and its configuration to a directory, for Zensical: `make site`.

The documents stay as they are, because they are also read on a code host. The README is the home page, and its tables
of documents are the navigation, so a document is listed in one place. Links between files become links between pages.
The words after the language of a block, which are for the tests, are removed.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from website.documents import PAGES, ROOT, navigation, without_test_words
from website.links import page_links
from website.openapi import SWAGGER_UI, openapi_documents

HERE = Path(__file__).parent
REFERENCE = {
    "API for endpoint files": "reference/api.md",
    "Options of all commands": "reference/commands.md",
    "OpenAPI": "reference/openapi.md",
}


def write_sources(directory: Path) -> None:
    """Write `pages/` and `mkdocs.yml`.

    Args:
        directory: is replaced.
    """
    shutil.rmtree(directory, ignore_errors=True)
    pages = directory / "pages"
    shutil.copytree(HERE / "pages", pages)
    for name, page in PAGES.items():
        (pages / page).write_text(page_links(without_test_words((ROOT / name).read_text()), name))
    for picture in [*ROOT.glob("docs/*.svg"), *ROOT.glob("docs/*.png")]:
        shutil.copy(picture, pages)
    for path in SWAGGER_UI:
        shutil.copy(path, pages / "assets")
    for name, document in openapi_documents().items():
        (pages / "reference" / f"{name}.json").write_text(json.dumps(document))
    nav = yaml.safe_dump({"nav": _navigation()}, sort_keys=False)
    (directory / "mkdocs.yml").write_text(f"{(HERE / 'mkdocs.yml').read_text()}\n{nav}")


def _navigation() -> list[dict[str, Any]]:
    sections = navigation((ROOT / "README.md").read_text())
    sections["Reference"] |= REFERENCE
    return [
        {"Home": "index.md"},
        *({title: [{name: page} for name, page in pages.items()]} for title, pages in sections.items()),
    ]


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]))
