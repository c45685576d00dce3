"""Where the gradient goes in time."""
