"""A trained model or a layer as one header in C."""
