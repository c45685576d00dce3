"""How gates open and close, and which units follow what."""
