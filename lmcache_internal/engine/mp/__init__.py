"""The adapter for LMCache's multi-process (MP) server: what is used of it, its manager, and its runtime.

Only `lmcache.py` imports LMCache. It may import what `engine` may.
"""
