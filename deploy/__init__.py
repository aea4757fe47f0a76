"""What is deployed beside the program; its Python only writes files that are committed."""
