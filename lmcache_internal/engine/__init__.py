"""The engines that can be served: their common protocols, the embedded engine, and the real LMCache.

It may import `redaction` and the modules that everything may import. It does not depend on HTTP.
"""
