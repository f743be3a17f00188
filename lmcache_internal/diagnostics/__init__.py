"""Diagnostics of a live process: health checks, thread dumps, CPU profiles, log levels, scripts.

It may import `operations`, `security`, `limits` and `engine`; only the endpoints, `api` and `app` import it.
"""
