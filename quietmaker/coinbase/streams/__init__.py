"""WebSockets: what the market and our orders tell."""
