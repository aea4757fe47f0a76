"""A PostgreSQL of our own: started, watched, and brought to an end."""
