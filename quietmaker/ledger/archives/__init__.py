"""The books in a file, and back again, to the last digit."""
