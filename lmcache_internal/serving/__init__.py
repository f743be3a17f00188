"""waitress in the process of an engine: sockets, connections, the event loop, and the worker threads.

It may import `operations` and `security` for the work before a request reaches the app. It knows no endpoint.
"""
