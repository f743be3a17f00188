"""Benchmarks: the speed of the server and its cost for the engine, beside LMCache's own server: `make bench`."""
