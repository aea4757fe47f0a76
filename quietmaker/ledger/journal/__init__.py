"""The journal: intents and facts on our own disk, before they are anywhere else."""
