"""The commands, one module per group of verbs. A module is imported when its command is used."""
