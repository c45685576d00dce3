"""The model card: the README.md of a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ricorda import __version__
from ricorda.program.ir import Program
from ricorda.program.show import equations

if TYPE_CHECKING:
    from torch import nn


def card(config: Mapping[str, Any]) -> str:
    """What a trained classifier is, what it was trained on, and how to use it, in Markdown."""
    parameters, summary = config["parameters"], config["summary"]
    program = Program.from_json(config["program"])
    kind = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}[config["input"]["kind"]]
    classes = ", ".join(f"`{label}`" for label in config["classes"])
    layers = "1 layer" if parameters["num_layers"] == 1 else f"{parameters['num_layers']} layers"
    directions = "two directions" if parameters["bidirectional"] else "one direction"
    seed = "no fixed seed" if parameters["random_state"] is None else f"seed {parameters['random_state']}"
    lines = [
        f"# A classifier of {kind}",
        "",
        f"It gives a sequence one of {len(config['classes'])} classes: {classes}.",
        "",
        "## Use",
        "",
        "```",
        *(['ricorda predict FOLDER "..."'] if config["input"]["kind"] == "texts" else []),
        "ricorda evaluate FOLDER DATA",
        "```",
        "",
        "```python",
        "import ricorda",
        "",
        'model = ricorda.load("FOLDER")',
        "model.predict_proba([...])",
        "```",
        "",
        "Opening this folder runs no code.",
        "",
        "## The model",
        "",
        f"Cell `{program.name}`, {layers} of {parameters['hidden_size']} units in "
        f"{directions}, pooling `{parameters['pooling']}`, {summary['weights']:,} weights.",
        "",
        "```",
        *equations(program),
        "```",
        "",
        "## The training",
        "",
        f"{summary['examples']:,} examples, {summary['epochs']} epochs, batches of {parameters['batch_size']}, "
        f"{seed}, ricorda {__version__}.",
        "",
        *_validation(summary),
        "",
        "![learning curve](learning_curve.png)",
        "",
        "## Limits",
        "",
        "It knows what its examples showed and nothing else: other subjects, languages or times than theirs are a "
        "guess. Its probabilities are the network's own; `ricorda evaluate` prints how well they are calibrated.",
        "",
    ]
    return "\n".join(lines)


def summary(
    history: Sequence[Mapping[str, Any]], network: nn.Module, examples: int, validation_examples: int
) -> dict[str, Any]:
    """What there is to say of a training; "best" is the history's line of the epoch whose weights were kept."""
    scored = [epoch for epoch in history if "score" in epoch]
    return {
        "examples": examples,
        "validation_examples": validation_examples,
        "epochs": len(history),
        "best": dict(max(scored, key=lambda epoch: epoch["score"]) if scored else history[-1]),
        "weights": sum(weight.numel() for weight in network.parameters()),
    }


def _validation(summary: Mapping[str, Any]) -> list[str]:
    best = summary["best"]
    if "score" not in best:
        return ["No validation examples: the weights are those of the last epoch."]
    return [
        f"Weights of epoch {best['epoch']}, the best on {summary['validation_examples']:,} validation examples:",
        "",
        "| accuracy | macro F1 | log loss (nats) |",
        "| --- | --- | --- |",
        f"| {best['accuracy']:.1%} | {best['macro_f1']:.3f} | {best['validation_loss']:.3f} |",
    ]
