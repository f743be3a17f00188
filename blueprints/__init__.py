"""The built-in endpoints: one concern a file, `*_api.py`, each with a Blueprint named `router`."""
