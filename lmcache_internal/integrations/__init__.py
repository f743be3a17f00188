"""The server inside other programs: in the place of LMCache's own server, and in an existing Flask app.

It may import every package but `cli` and `testing`; no other package imports it.
"""
