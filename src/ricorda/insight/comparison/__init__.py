"""What cells are worth on the same data."""
