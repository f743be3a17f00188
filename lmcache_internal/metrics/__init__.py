"""The Prometheus exposition formats, and the metrics of the server and its process.

It may import prometheus_client and the modules that everything may import.
"""
