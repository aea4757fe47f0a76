"""Tests of what is deployed: alert rules, dashboards, runbooks."""
