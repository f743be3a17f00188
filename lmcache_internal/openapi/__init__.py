"""Generates the OpenAPI document of a running app from its routes, and the pages that show it.

It may import `operations` and `security`; only the endpoints and `api` import it.
"""
