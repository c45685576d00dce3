"""The cells as their papers have them, written without ricorda."""
