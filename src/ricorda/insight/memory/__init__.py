"""What a model kept of what it read, and what each word gave to its verdict."""
