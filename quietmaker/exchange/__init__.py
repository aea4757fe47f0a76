"""The paper exchange: a matching core, and the exchange that is made of it."""
