"""The built-in endpoints: one concern a file, `*_api.py`, each with a Blueprint named `router`.

Their annotations are read when they are loaded. As text, which `from __future__ import annotations` makes
of them, each would first have to be compiled.
"""
