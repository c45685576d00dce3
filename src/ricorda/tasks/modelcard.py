"""The model card: the README.md of a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ricorda import __version__
from ricorda.program.ir import Program
from ricorda.program.show import equations


def card(config: Mapping[str, Any]) -> str:
    """What a trained classifier is, what it was trained on, and how to use it, in Markdown."""
    parameters, summary = config["parameters"], config["summary"]
    program = Program.from_json(config["program"])
    kind = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}[config["input"]["kind"]]
    classes = ", ".join(f"`{label}`" for label in config["classes"])
    directions = "two directions" if parameters["bidirectional"] else "one direction"
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
        f"Cell `{program.name}`, {parameters['num_layers']} layer(s) of {parameters['hidden_size']} units in "
        f"{directions}, pooling `{parameters['pooling']}`, {summary['weights']:,} weights.",
        "",
        "```",
        *equations(program),
        "```",
        "",
        "## The training",
        "",
        f"{summary['examples']:,} examples, {summary['epochs']} epochs, batches of {parameters['batch_size']}, "
        f"seed {parameters['random_state']}, ricorda {__version__}.",
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
