"""The cells as their papers have them, written without ricorda: `classic` in torch, the families in NumPy."""
