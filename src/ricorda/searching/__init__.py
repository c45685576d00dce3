"""A search over a task's parameters, by Optuna."""
