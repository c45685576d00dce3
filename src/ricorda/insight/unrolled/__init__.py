"""The network unrolled over its steps."""
