"""Tokenisers as a page runs them: the steps of the `tokenizers` library that ours are made of, and nothing else.

A page has to read each text exactly as Python does. So regular expressions are taken apart, and what is a letter, a
number or a space in them is told by the library itself, character by character: browsers know other versions of
Unicode. What is not in the tables here is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from tokenizers import Regex, Tokenizer, pre_tokenizers

from ricorda.errors import ArgumentError

_BYTE_LEVEL = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What the library's byte-level pre-tokeniser splits by (GPT-2's expression)."""

_PART = re.compile(
    r"""
      (?P<any>\[\\s\\S\]) | \\p\{(?P<property>\w+)\} | \\x\{(?P<hex>[0-9A-F]+)\} | \\(?P<space>[sS])
    | \\(?P<mark>[.*\\])                          # a mark that stands for itself
    | (?P<group>\(\?(?:<[!=]|[:=!])|\((?!\?)|\))        # groups, and what lies ahead or behind
    | (?P<open>\[\^?) | (?P<close>\])
    | (?P<dot>\.)                                 # a dot, in brackets alone
    | (?P<count>(?:\{\d+,?\d*\}|[?*+])\??(?![?*+{])|\|)
    | (?P<plain>[^\\()\[\]{}?*+|.^$&/]|[-/]|&(?!&))
    """,
    re.VERBOSE,
)
"""The parts of the regular expressions that mean the same in JavaScript, with the flag u."""

_OPTIONS = {"dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False}
"""Options of byte pairs that ours leave alone."""


def tokenizer_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """A tokeniser as `tokens.js` reads it.

    Raises
    ------
    ArgumentError
        If it has a step that is none of ours.
    """
    content = json.loads(tokenizer.to_str())
    if any(content.get(name) for name in ("added_tokens", "post_processor", "truncation", "padding")):
        _refuse("what it adds or cuts")
    model, classes = content["model"], set[str]()
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    description: dict[str, Any] = {
        "normal": [_normal(step) for step in _steps(content["normalizer"], "normalizers")],
        "splits": [_split(step, classes) for step in _steps(content["pre_tokenizer"], "pretokenizers")],
        "tokens": tokens,
        "unknown": model.get("unk_token"),
    }
    if model["type"] == "BPE" and not model.get("ignore_merges") and _has(model, _OPTIONS):
        place = model["vocab"].__getitem__
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        description["merges"] = [[place(left), place(right), place(left + right)] for left, right in pairs]
        description["bytes"] = bool(model["byte_fallback"])
    elif model["type"] != "WordLevel":
        _refuse(f"its model, {model['type']}")
    description["classes"] = {name: class_of(name) for name in sorted(classes)}
    return description


def _steps(node: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    """The steps of a node that may be a sequence of others, or nothing."""
    if node is None:
        return []
    return list(node[name]) if node["type"] == "Sequence" else [node]


def _has(node: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(node.get(name, value) == value for name, value in fields.items())


def _normal(step: Mapping[str, Any]) -> list[str]:
    if step["type"] in ("NFC", "Lowercase"):
        return [step["type"]]
    pattern = step.get("pattern", {}).get("Regex", "")
    if step["type"] == "Replace" and re.fullmatch(r"\[[^\\\]\[^&-]+\]", pattern):
        return ["Replace", pattern[1:-1], step["content"]]
    _refuse(f"its normaliser {step['type']}")


def _split(step: Mapping[str, Any], classes: set[str]) -> list[str]:
    kind, pattern = step["type"], step.get("pattern", {}).get("Regex")
    if kind == "Split" and pattern and (step["behavior"], step["invert"]) in (("Removed", True), ("Isolated", False)):
        return [step["behavior"], _expression(pattern, classes)]
    if kind == "Metaspace" and _has(step, {"replacement": "▁", "prepend_scheme": "always", "split": False}):
        return ["Metaspace"]
    if kind == "ByteLevel" and _has(step, {"add_prefix_space": False, "use_regex": True}):
        return ["ByteLevel", _expression(_BYTE_LEVEL, classes)]
    if kind == "WhitespaceSplit":
        return ["Words"]  # Language models of words split as Python does.
    _refuse(f"its pre-tokeniser {kind}")


def _expression(pattern: str, classes: set[str]) -> str:
    """A regular expression for JavaScript; `<name>` stands for the characters of a class, see `class_of`."""
    written, at, inside = list[str](), 0, False
    while at < len(pattern):
        part = _PART.match(pattern, at)
        if part is None or (part.lastgroup == "dot" and not inside):
            _refuse(f"its regular expression at {pattern[at : at + 20]!r}")
        at, kind, text = part.end(), part.lastgroup, part.group()
        inside = kind == "open" or (inside and kind != "close")
        if kind == "any":
            text = "[^]"
        elif kind == "hex":
            text = rf"\u{{{part['hex']}}}"
        elif kind in ("property", "space"):
            name, inverse = part["property"] or "s", part["space"] == "S"
            if inside and inverse:
                _refuse(r"its regular expression, which has \S in brackets")
            classes.add(name)
            text = f"<{name}>" if inside else f"[{'^' * inverse}<{name}>]"
        elif kind == "plain" and text in "<>":
            _refuse("its regular expression, which has < or >")
        written.append(text)
    return "".join(written)


_CHARACTERS = ((0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000))
"""The planes of Unicode that have characters; none of its other code points is a letter, number or space."""

_AT_ONCE = 0x200
"""Characters that are told apart at once: the library's time grows with the square of a text's runs."""


@lru_cache(maxsize=16)
def class_of(name: str) -> list[int]:
    """The characters of a class as the library sees them: first code point and length of each run, as differences."""
    expression = r"\s+" if name == "s" else rf"\p{{{name}}}+"
    splitter = pre_tokenizers.Split(Regex(expression), "removed", invert=True)
    runs = list[tuple[int, int]]()
    for start in chain.from_iterable(range(first, end, _AT_ONCE) for first, end in _CHARACTERS):
        for run, _ in splitter.pre_tokenize_str("".join(map(chr, range(start, start + _AT_ONCE)))):
            first, end = ord(run[0]), ord(run[-1])
            if runs and runs[-1][1] == first - 1:
                first = runs.pop()[0]
            runs.append((first, end))
    edges = [edge for run in runs for edge in run]
    return [edge - before for before, edge in zip([0, *edges], edges, strict=False)]


def _refuse(what: str) -> NoReturn:
    raise ArgumentError(
        f"the model's tokenizer cannot be taken along exactly, because of {what}: train it with --tokenizer word, bpe "
        "or char"
    )
