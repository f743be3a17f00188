"""The engines that can be served: the protocols they share, the embedded one, and the real LMCache.

It may import `redaction` and the modules that everything may import; it knows nothing of HTTP.
"""
