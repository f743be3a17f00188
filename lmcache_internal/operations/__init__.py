"""The `@operation` decorator: parses a request's arguments, calls the view, and makes the response or the error.

It may import `limits`, `engine`, `redaction`, and the packages below them, but no endpoint and no server.
"""
