"""Saves a trained model of any task to its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ricorda.tasks.flow import TrainingFlow
from ricorda.tasks.folder import CURVE, FLOW_PICTURE, Contents, write_model
from ricorda.tasks.modelcard import card_text
from ricorda.tasks.pictures import as_png, learning_curve
from ricorda.tasks.weights import named_weights


def config_of(model: Any) -> dict[str, Any]:
    """All that is known of a trained `SequenceEstimator` but its weights and tokenisers, as JSON."""
    return {
        "task": model.TASK,
        "parameters": model._json_parameters(),
        "program": model.program_.to_json(),
        **model._description(),
        "summary": model.summary_,
        **({"columns": dict(model.columns_)} if model.columns_ else {}),
    }


def save_model(model: Any, folder: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the folder of a trained `SequenceEstimator`; see its `save`, and `card_text` for its card's metadata."""
    config = config_of(model)
    tokenizers = {name: tokenizer.to_str() for name, tokenizer in model._tokenizers().items()}
    contents = Contents(config, named_weights(model.network_), tokenizers, model.history_, model.baseline_)
    pictures = {CURVE: as_png(learning_curve(model.history_, model.LOSS, model.SCORES))}
    flow = TrainingFlow.of(model.history_)
    if flow is not None:
        pictures[FLOW_PICTURE] = as_png(flow.plot())
    card = card_text(model._card(), config, model.SCORES, pictures, metadata or {})
    write_model(folder, contents, card=card, pictures=pictures)
