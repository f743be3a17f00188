"""The text of a scrape: the Prometheus exposition formats, and the metrics of the process.

It may import prometheus_client and the modules that everything may import.
"""
