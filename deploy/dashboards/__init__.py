"""Write the Grafana dashboards: ``python -m deploy.dashboards`` (``make docs``)."""
