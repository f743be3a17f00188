"""From a request to a view and its response: `@operation`, its arguments, the forms of a response, and errors.

It may import `limits`, `engine`, `redaction`, and what stands below them; it knows of no endpoint and no server.
"""
