"""What an on-call engineer asks of a live process: health checks, thread dumps, profiles, log levels, scripts.

It may import `operations`, `security`, `limits` and `engine`; only the endpoints, `api` and `app` import it.
"""
