"""Lots, allocations and round trips, derived from executions."""
