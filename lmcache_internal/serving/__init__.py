"""waitress inside an engine's process: sockets, connections, the event loop, and the worker threads.

It may import `operations` and `security` for what it does before a request reaches the app; it knows of no endpoint.
"""
