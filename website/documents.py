"""Which documents the site has, and where; what of them is for the tests and not for readers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "vulnerabilities.md",
    **{f"docs/{path.name}": path.name for path in sorted(ROOT.glob("docs/*.md"))},
}
"""Documents, relative to the repository, and their pages, relative to the site."""

_FENCE = re.compile(r"^( *`{3,})(\w+)[^`\n]*$", re.MULTILINE)
_SECTION = re.compile(r"^\| (\w+) \| \|\n((?:\|.*\n)+)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+\.md)\)")


def without_test_words(markdown: str) -> str:
    """Remove the options of blocks: the words after the language."""
    return _FENCE.sub(r"\1\2", markdown)


def navigation(readme: str) -> dict[str, dict[str, str]]:
    """Return the tables of documents in the README: by their titles, the title and the page of each document."""
    _, _, tables = readme.partition("\n## Documentation\n")
    return {
        title: {name: PAGES[path] for row in rows.splitlines() for name, path in _LINK.findall(row.split(" | ")[0])}
        for title, rows in _SECTION.findall(tables)
    }
