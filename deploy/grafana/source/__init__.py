"""The Grafana dashboards as code. `make dashboards` writes them to `deploy/grafana/dashboards`.

It may import grafana-foundation-sdk; only the tests import it.
"""
