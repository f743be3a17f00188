"""What one request may take from the others: timeouts, concurrency limits, one change at a time, single-flight.

It may import `system` and the modules that everything may import (`errors`, `settings`, `address`).
"""
