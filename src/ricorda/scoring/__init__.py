"""Scoring: what a model makes of files, in parts, here or on a cluster."""
