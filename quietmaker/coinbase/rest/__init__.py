"""Requests: sent once, answered, classified."""
