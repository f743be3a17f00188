"""A private file that leads a browser to the login link.

Every user of the machine can read the arguments of a process. So a browser is started with the path of the file, which
only the user can read, and not with the link.
"""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def login_file(link: str) -> Iterator[str]:
    """Write the file; yields its URL. The file is removed at the end.

    Args:
        link: the login link.

    Raises:
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="lmcache-internal-ui-") as directory:  # With mode 0700.
        path = Path(directory) / "login.html"
        target = html.escape(link)
        page = (
            '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={target}"><title>LMCache</title>'
            f'<p><a href="{target}">Log in</a>'
        )
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
        yield path.as_uri()
