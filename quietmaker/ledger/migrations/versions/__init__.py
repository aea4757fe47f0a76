"""One module per revision; each names its SQL files."""
