"""A predecessor's trades: what can be trusted, and what cannot, with the reason."""
