"""Quietmaker: a passive market maker for Coinbase Advanced Trade."""

__version__ = "0.1.0"
