"""Replay: a recorded or synthetic market through trading core and matching core, on a virtual clock."""
