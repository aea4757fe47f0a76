"""Hypothesis, the same on every machine: no deadline, and no randomness where CI says so."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "properties", deadline=None, max_examples=100, suppress_health_check=_CHECKS, print_blob=True
)
settings.register_profile(
    "ci", parent=settings.get_profile("properties"), derandomize=True, database=None
)
settings.load_profile("ci" if os.environ.get("CI") else "properties")
