"""Metrics, logs and the management port. Nothing here decides anything."""
