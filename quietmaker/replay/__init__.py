"""Replay: a recorded or synthetic market through the trading core and the matching core, on a virtual clock."""
