"""Limits that protect requests from each other: timeouts, concurrency limits, the change lock, single-flight.

It may import `system` and the modules that every package may import (`errors`, `settings`, `address`).
"""
