"""A model as one page: a file that opens in a browser without a network, computes there, and shows what it does."""
