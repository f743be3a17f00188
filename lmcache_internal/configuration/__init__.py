"""The live configuration of an engine: which keys can be set, the history of changes, and masked snapshots.

It may import `operations`, `engine` and `redaction`; it never writes a setting of this server.
"""
