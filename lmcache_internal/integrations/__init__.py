"""The server inside other programs: as the replacement of LMCache's own server, and in an existing Flask app.

It may import every package except `cli` and `testing`. No other package imports it.
"""
