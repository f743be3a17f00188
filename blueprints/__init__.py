"""The built-in endpoints: one file `*_api.py` per concern, each with a Blueprint named `router`.

Annotations are evaluated when a file is loaded. The files do not use `from __future__ import annotations`, because
each annotation would then be a string that must be compiled first.
"""
