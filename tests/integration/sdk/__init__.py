"""The official SDK, in a virtual environment of its own, as a client of the paper exchange."""
