"""The model card: the README.md of a model folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ricorda import __version__
from ricorda.program.ir import Program
from ricorda.program.show import equations
from ricorda.tasks.metadata import front_matter
from ricorda.tasks.scores import score_text
from ricorda.tasks.worth import sentences
from ricorda.training.flow import FLOW
from ricorda.training.run import best_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Card:
    """The content of a model card, in the words of its task.

    Parameters
    ----------
    title : str
        The name of the model's kind: "A classifier of texts".
    does : str
        A sentence or two: what goes in, what comes out.
    use : sequence of str
        Lines of a shell that use it, with FOLDER for the model's folder.
    limits : str
        What the model should not be trusted with.
    python : str
        A line of Python that uses `model`.
    pipeline : str
        The Hugging Face Hub's name of the task, "" where it has none.
    """

    title: str
    does: str
    use: Sequence[str]
    limits: str
    python: str = "model.predict([...])"
    pipeline: str = ""


def card_text(
    card: Card,
    config: Mapping[str, Any],
    scores: Mapping[str, str],
    pictures: Iterable[str],
    metadata: Mapping[str, Any],
) -> str:
    """The card's Markdown: what a trained model is, what it was trained on, and how to use it.

    Parameters
    ----------
    card : Card
        The task's own words.
    config : mapping
        The content of `config.json`.
    scores : mapping
        The numbers of a validation to show, and their names.
    pictures : iterable of str
        The files of the training's pictures.
    metadata : mapping
        More of the Hub's metadata: license and languages.
    """
    parameters, summary = config["parameters"], config["summary"]
    best = summary["best"]
    program = Program.from_json(config["program"])
    seed = "no fixed seed" if parameters["random_state"] is None else f"seed {parameters['random_state']}"
    lines = [
        *front_matter(card.title, card.pipeline, [config["task"], program.name], summary, metadata),
        "",
        f"# {card.title}",
        "",
        card.does,
        "",
        "## Use",
        "",
        "```",
        *card.use,
        "```",
        "",
        "```python",
        "import ricorda",
        "",
        'model = ricorda.load("FOLDER")',
        card.python,
        "```",
        "",
        "Opening this folder runs no code.",
        "",
        "## The model",
        "",
        f"Cell `{program.title}`, {', '.join(_shape(parameters))}, {summary['weights']:,} weights.",
        "",
        "```",
        *equations(program),
        "```",
        "",
        "## The training",
        "",
        f"{summary['examples']:,} examples, {summary['epochs']} epochs of {best['step'] // best['epoch']:,} steps, "
        f"{seed}, ricorda {__version__}.",
        "",
        *_validation(summary, scores),
        "",
        *_shown(pictures),
        "## Limits",
        "",
        card.limits,
        "",
    ]
    return "\n".join(lines)


def summary(
    history: Sequence[Mapping[str, Any]], network: nn.Module, examples: int, validation_examples: int
) -> dict[str, Any]:
    """Facts about a training; "best" has the history's numbers of the epoch whose weights were kept."""
    return {
        "examples": examples,
        "validation_examples": validation_examples,
        "epochs": len(history),
        "best": {name: value for name, value in best_of(history).items() if name != FLOW},
        "weights": sum(weight.numel() for weight in network.parameters()),
    }


def _shown(pictures: Iterable[str]) -> list[str]:
    """Each picture with its name: that of learning_curve.png is "learning curve"."""
    return [line for name in pictures for line in (f"![{name.removesuffix('.png').replace('_', ' ')}]({name})", "")]


def _shape(parameters: Mapping[str, Any]) -> list[str]:
    """The sizes of the recurrent layers, and the pooling of their steps."""
    layers = "1 layer" if parameters["num_layers"] == 1 else f"{parameters['num_layers']} layers"
    directions = "two directions" if parameters.get("bidirectional") else "one direction"
    other = [f"{name} `{parameters[name]}`" for name in ("pooling", "attention") if parameters.get(name)]
    return [f"{layers} of {parameters['hidden_size']} units in {directions}", *other]


def _validation(summary: Mapping[str, Any], scores: Mapping[str, str]) -> list[str]:
    best, count = summary["best"], summary["validation_examples"]
    if not count:
        return ["No validation examples: the weights are those of the last epoch.", "", *sentences(summary, scores)]
    chosen = f"epoch {best['epoch']}, the best" if "score" in best else "the last epoch,"
    return [
        f"Weights of {chosen} on {count:,} validation examples:",
        "",
        f"| {' | '.join(scores.values())} |",
        f"|{' --- |' * len(scores)}",
        f"| {' | '.join(score_text(name, best[name]) for name in scores)} |",
        *(line for sentence in sentences(summary, scores) for line in ("", sentence)),
    ]
