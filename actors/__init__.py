"""Thin shells around the core: receive a message, call the core, tell its commands.

Rules that hold in this package (each has a contract test in tests/actors/test_pykka_contract.py):
tell between actors, ask only at the edges; addresses, never refs; nothing that must not be lost is only a
message; market data is conflated before the mailbox and order events never are.
"""
