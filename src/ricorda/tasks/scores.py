"""How the numbers of a validation are written."""

LOSS = "validation_loss"
"""The number that is drawn beside the training's loss; the others are scores."""


def is_share(name: str) -> bool:
    """Whether a score is a share of the examples, which is written in per cent."""
    return name.endswith("accuracy")


def score_text(name: str, value: float) -> str:
    """A score for people: a share in per cent, other numbers with three decimals."""
    return f"{value:.1%}" if is_share(name) else f"{value:.3f}"
