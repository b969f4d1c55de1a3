"""Grafana's dashboards as code: ``python -m tools.dashboards`` writes them into ``k8s/monitoring/dashboards``."""
