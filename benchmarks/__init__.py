"""How fast the server is, and what it costs the engine it lives in, beside LMCache's own: `make bench`."""
