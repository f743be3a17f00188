"""Turn links between files of the repository into links between pages of the site."""

from __future__ import annotations

import posixpath
import re

from website.documents import PAGES

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"(!\[[^\]]*\]\()docs/")


def page_links(markdown: str, document: str) -> str:
    """Return a document with links to pages, and to pictures, which are beside the pages.

    A link to a file that is no page, such as a module, becomes its text: the site does not know the code host.

    Args:
        markdown: the text.
        document: its path, relative to the repository.
    """
    return _LINK.sub(lambda found: _rewritten(found, document), _PICTURE.sub(r"\1", markdown))


def _rewritten(found: re.Match[str], document: str) -> str:
    text, link = found.groups()
    target, hash_sign, anchor = link.partition("#")
    if "://" in target or not target:
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(document), target))
    page = PAGES.get(path)
    return f"[{text}]({page}{hash_sign}{anchor})" if page else text
