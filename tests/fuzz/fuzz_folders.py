"""Model folders with something wrong in them whose hashes are right: each is refused in a sentence, or it works.

A case is a number: the same one damages the same folder in the same way.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from task_cases import CASES

import ricorda
from ricorda.catalogue import CELLS
from ricorda.errors import RicordaError
from ricorda.program.ir import LEAVES, NAMED
from ricorda.program.operations import OPERATIONS
from ricorda.tasks.folder import CONFIG, HISTORY, WEIGHTS, config_hash

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "classify": ("classify", {}),
    "regress": ("regress", {}),
    "tag": ("tag", {}),
    "translate": ("translate", {}),
    "language": ("language", {}),
    "forecast": ("forecast", {}),
    "classify bpe": ("classify", {"tokenizer": "bpe", "vocab_size": 300, "pooling": "attention", "cell": "gru"}),
    "tag crf": ("tag", {"crf": True, "cell": "lstm_peephole"}),
    "translate fed": ("translate", {"attention": "additive", "input_feeding": True, "shared_vocabulary": True}),
    "translate bare": ("translate", {"attention": None, "tied_embeddings": True}),
    "language bpe": ("language", {"tokenizer": "bpe", "tie_embeddings": True, "num_layers": 2}),
    "language words": ("language", {"tokenizer": "word", "cell": "gru"}),
    "forecast bands": ("forecast", {"head": "quantile", "horizon": 2, "context": 2, "normalize": "window"}),
}
"""Models that are damaged: their tasks and parameters. The first six have one of each task."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 3, -1, 7, 255, 10**5, 10**9, 2**31, 2**63, 10**30, 10**400),
    *(0.5, -0.5, 1e-300, 1e308, float("nan"), float("inf"), "", "x", "a b", "h", "c", "<unk>", "0", "é\ud800", "\0"),
    *([], {}, [[]], [0], ["a"], {"a": 1}, [1, 2, 3], ["a", "b"]),
)


@dataclass(frozen=True)
class Saved:
    """The files of a model, and how it is used."""

    files: dict[str, bytes]
    use: Callable[[Any], Any]


def saved_models(folder: Path, names: list[str] | None = None) -> dict[str, Saved]:
    """Train the models and save each."""
    models = {}
    for name in names or MODELS:
        task, parameters = MODELS[name]
        case = CASES[task]
        case.make(epochs=1, **parameters).fit(case.X, case.y).save(folder / name)
        files = {
            path.name: path.read_bytes() for path in (folder / name).iterdir() if path.suffix not in (".png", ".md")
        }
        models[name] = Saved(files, lambda model, case=case: case.outputs(model, case.X[:3]))
    return models


def damaged(saved: Saved, number: int) -> dict[str, bytes]:
    """The files with one to three changes, their hashes made right."""
    chance = random.Random(f"folder {number}")
    files = dict(saved.files)
    config = json.loads(files[CONFIG])
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name = chance.choice([CONFIG, CONFIG, "program", "program", WEIGHTS, *(n for n in files if n != CONFIG)])
        if name == CONFIG:
            config = _changed(config, chance)
        elif name == "program":
            config = _with_other_program(config, chance)
        elif name == WEIGHTS:
            files[name] = _other_weights(files[name], chance)
        elif name == HISTORY:
            files[name] = _other_lines(files[name], chance)
        else:
            files[name] = _other_json(files[name], chance)
    if isinstance(config, dict):
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != CONFIG}
        if isinstance(config.get("sha256"), dict):
            config["sha256"].update(hashes)
            config["sha256"][CONFIG] = config_hash(config)
    files[CONFIG] = json.dumps(config).encode("utf-8", "surrogatepass")
    return files


def try_folder(saved: Saved, files: dict[str, bytes], folder: Path, prepare: Callable[[Any], Any] | None = None) -> str:
    """Open a damaged folder and use the model: "refused" or "works"; any exception but ricorda's own comes out.

    Parameters
    ----------
    prepare : callable, optional
        What else is done with the network.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = ricorda.load(folder)
        except RicordaError as error:
            sentence = str(error)
            if "\n" in sentence or len(sentence) > 1_000 + len(str(folder)):
                raise AssertionError(f"no one sentence: {sentence!r:.2000}") from error
            return "refused"
        if prepare is not None:
            prepare(model)
        saved.use(model)
    return "works"


def _changed(value: Any, chance: random.Random) -> Any:
    """A copy of JSON with one thing in it changed."""
    value = copy.deepcopy(value)
    places = [place for place in _places(value) if not isinstance(place[0], dict) or place[1] != "sha256"]
    if not places:
        return chance.choice(VALUES)
    box, key = chance.choice(places)
    old = box[key]
    match chance.randrange(8):
        case 0:
            del box[key]
        case 1 if isinstance(box, list):
            box.insert(key, copy.deepcopy(old))
        case 1:
            box[f"{key}_"] = box.pop(key)
        case 2:
            other, place = chance.choice(places)
            box[key] = copy.deepcopy(other[place])
        case 3 if isinstance(box, list):
            chance.shuffle(box)
        case 4 if isinstance(old, int | float) and not isinstance(old, bool):
            box[key] = old + chance.choice((1, -1, 0.5, 100))
        case 5 if isinstance(old, str):
            box[key] = old.swapcase() if old.swapcase() != old else old + "x"
        case 6 if isinstance(old, bool):
            box[key] = not old
        case _:
            box[key] = copy.deepcopy(chance.choice(VALUES))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _with_other_program(config: Any, chance: random.Random) -> Any:
    if not isinstance(config, dict) or not isinstance(config.get("program"), dict):
        return config
    program = copy.deepcopy(config["program"])
    lines = program.get("values")
    if chance.random() < 0.2:
        cell = chance.choice(sorted(CELLS))
        program = CELLS[cell].program.to_json()
    elif not isinstance(lines, list) or not lines or chance.random() < 0.3:
        program = _changed(program, chance)
    else:
        line = chance.choice(lines)
        match chance.randrange(6):
            case 0 if isinstance(line, dict):
                line["op"] = chance.choice(sorted({*OPERATIONS, *LEAVES, *NAMED}))
            case 1 if isinstance(line, dict):
                line["args"] = [chance.randrange(len(lines)) for _ in range(chance.randrange(4))]
            case 2 if isinstance(line, dict):
                line["name"] = chance.choice(("i", "f", "h", "c", "x", "hr", "weight_ih", "new", ""))
            case 3 if isinstance(line, dict):
                line["size"] = chance.choice("IHP1")
            case 4:
                program["outputs"] = [chance.randrange(len(lines)) for _ in program.get("outputs") or [0]]
                if isinstance(program.get("names"), dict):
                    states = [
                        line.get("name") for line in lines if isinstance(line, dict) and line.get("op") == "state"
                    ]
                    program["names"].update(zip(states, program["outputs"], strict=False))
            case _ if isinstance(line, dict):
                line["number"] = chance.choice((0, 1, -1, 0.5, 1e30, float("nan")))
    return {**config, "program": program}


def _other_weights(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return _flipped(data, chance)
    try:
        tensors = safetensors.torch.load(data)
    except Exception:  # it is damaged already
        return data
    if not tensors:
        return data
    name = chance.choice(sorted(tensors))
    old = tensors[name]
    match chance.randrange(9):
        case 0:
            del tensors[name]
        case 1:
            tensors[name + "x"] = tensors.pop(name)
        case 2:
            tensors[name] = old.new_full(old.shape, chance.choice((float("nan"), float("inf"), -1e38, 0.0)))
        case 3:
            tensors[name] = old.to(chance.choice((torch.float64, torch.float16, torch.int32, torch.bool)))
        case 4:
            tensors[name] = old.t().contiguous() if old.ndim == 2 else old[None]
        case 5:
            tensors[name] = torch.cat([old, old]) if old.ndim else old[None]
        case 6:
            tensors[name] = old[:-1].contiguous() if old.ndim else old[None]
        case 7:
            tensors["other"] = old.clone()
        case _:
            for each, tensor in tensors.items():
                tensors[each] = tensor * chance.choice((0, -1, 1e20, float("nan")))
    return safetensors.torch.save(tensors)


def _other_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines()
    if not lines or chance.random() < 0.2:
        return _flipped(data, chance)
    place = chance.randrange(len(lines))
    try:
        lines[place] = json.dumps(_changed(json.loads(lines[place]), chance)).encode()
    except ValueError:
        del lines[place]
    return b"\n".join(lines) + b"\n"


def _other_json(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.15:
        return _flipped(data, chance)
    try:
        content = json.loads(data)
    except ValueError:
        return data
    model = content.get("model") if isinstance(content, dict) else None
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or not vocabulary or chance.random() < 0.4:
        return json.dumps(_changed(content, chance)).encode()
    token = chance.choice(
        sorted(vocabulary)[:4] + sorted(vocabulary)[-2:] + [t for t in vocabulary if t[:1] == "<"][:3]
    )
    match chance.randrange(6):
        case 0:
            del vocabulary[token]
        case 1:
            vocabulary[token] = chance.choice((0, 1, 2, -1, 10**6, len(vocabulary), 2**32))
        case 2:
            vocabulary["another"] = len(vocabulary)
        case 3:
            model["vocab"] = {}
        case 4:
            model["unk_token"] = chance.choice((None, "none", token))
        case _:
            model["vocab"] = {token: place for place, token in enumerate(list(vocabulary)[::-1])}
    return json.dumps(content).encode()


def _flipped(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\0"
    place = chance.randrange(min(len(data), 2_000))
    return chance.choice(
        (
            data[:place],
            data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
            data[:place] + data[place + 1 :],
            data[:place] + data[place:] * 2,
        )
    )
