"""A model as the text of one header: a comment that says how to use it, declarations, and the implementation."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

from ricorda import __version__
from ricorda.errors import ArgumentError
from ricorda.export.model import Network, Numbers, Tokens, refuse
from ricorda.export.to_c.mathematics import needed
from ricorda.export.to_c.parts import WideText, apply_head, function, loop, pool, read_numbers, read_tokens
from ricorda.export.to_c.step import Constants, StepText, field_name, is_word
from ricorda.export.to_c.text import string


def check_name(name: str) -> None:
    """Raise ArgumentError if names of C cannot begin with `name`."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or is_word(name):
        raise ArgumentError(f"name is {name!r}: give a name of C, of letters, digits and _, such as model")


@dataclass(frozen=True)
class Header:
    """The text of a header, and how many bytes its constants and a state take."""

    text: str
    constants: int
    state: int


@dataclass
class Code:
    """A header while it is being written; names begin with `$`."""

    constants: Constants
    members: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    declared: list[tuple[str, str]] = field(default_factory=list)
    """Public names: what each is, and its declaration."""
    sizes: dict[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    def public(self, does: str, head: str, body: list[str]) -> None:
        """Add a function that users call."""
        self.declared.append((does, head))
        self.functions.append(function(head, body, public=True))


class Layers:
    """The layers of a network in C: members of the state, functions, and the statements that call them.

    Attributes
    ----------
    beside : list of (str, int)
        Names and sizes of the inputs besides the first.
    output : str
        C's text of an element of the last layer's output, with `{}` for the index.
    width : int
        Its size.
    scratch : int
        The memory that they need.
    """

    def __init__(self, network: Network, code: Code) -> None:
        if network.bidirectional:
            refuse("C", "a model that reads in both directions", "train it with --one-direction, or export it as ONNX")
        first = network.layers[0][0]
        names = [field_name(name, number) for number, name in enumerate(first.inputs)]
        self.beside = list(zip(names, first.inputs.values(), strict=True))[1:]
        arguments = "".join(f", const float *{name}" for name, _ in self.beside)
        self.resets: list[str] = []
        self.scratch, x = 1, "x[{}]"
        for level, (step,) in enumerate(network.layers):
            text = StepText(step, level, x, code.constants)
            code.members.append(text.memory())
            self.resets += text.reset()
            self.scratch = max(self.scratch, step.scratch)
            first_input = ", const float *x" if level == 0 else ""
            code.functions.append(function(f"void $layer{level}($state *s{first_input}{arguments})", text.statements()))
            x = text.at(step.output)
        self.output, self.width, self.count = x, network.layers[-1][0].output.size, len(network.layers)

    def calls(self, x: str, prefix: str = "") -> list[str]:
        """Statements that run all layers on the vector `x`; the other inputs are variables, or members with "s->"."""
        beside = "".join(f", {prefix}{name}" for name, _ in self.beside)
        return [f"$layer{level}(s{f', {x}' if level == 0 else ''}{beside});" for level in range(self.count)]


def write(network: Network, name: str, int8: bool) -> Header:
    """The header of a network.

    Raises
    ------
    ArgumentError
        If it reads in both directions, or the name is none.
    """
    check_name(name)
    code = Code(Constants(int8), labels=network.labels)
    layers = Layers(network, code)
    size = _reads(network, code, layers)
    reading = _reading(network, code, layers)
    if network.pooling == "each":
        _each(network, code, layers, size, reading)
    else:
        _whole(network, code, layers, size, reading)
    code.members.append(f"float scratch[{layers.scratch}];")
    return finished(code, name, network)


def _reads(network: Network, code: Code, layers: Layers) -> tuple[str, str, str]:
    """What a step reads: its argument, that of a whole sequence, and what of this a step is given."""
    reads = network.reads
    if isinstance(reads, Tokens):
        code.sizes = {"VOCABULARY": len(reads.embedding), "OUTPUTS": network.outputs}
        return "int token", "const int *tokens", "tokens[t]"
    size = len(reads.mean) if isinstance(reads, Numbers) else next(iter(network.layers[0][0].inputs.values()))
    name = "x" if reads is None else "numbers"
    code.sizes = {"INPUTS": size, "OUTPUTS": network.outputs}
    one, every, given = [f"const float {name}[{size}]"], [f"const float *{name}"], [f"{name} + t * {size}"]
    for other, width in layers.beside if reads is None else ():
        one.append(f"const float {other}[{width}]")
        every.append(f"const float *{other}")
        given.append(f"{other} + t * {width}")
    return ", ".join(one), ", ".join(every), ", ".join(given)


def _reading(network: Network, code: Code, layers: Layers) -> list[str]:
    """Statements that make the first layer's input of what a step reads, and run the layers."""
    reads, inputs = network.reads, list(network.layers[0][0].inputs.values())
    if isinstance(reads, Tokens):
        if code.constants.int8:
            code.members.append(f"float x[{inputs[0]}];")
        check = f"token = token < 0 || token >= {len(reads.embedding)} ? {reads.unknown} : token;"
        return [check, *read_tokens(reads, code.constants), *layers.calls("x")]
    if isinstance(reads, Numbers):
        names = ["x", *(name for name, _ in layers.beside)]
        code.members += [f"float {name}[{size}];" for name, size in zip(names, inputs, strict=True)]
        return [*read_numbers(reads, code.constants), *layers.calls("s->x", "s->")]
    return layers.calls("x")


def _verdict(network: Network, code: Code, layers: Layers, of: str) -> list[str]:
    """Statements that make the outputs `y` of the text of an element."""
    if not network.head:
        return [f"$copy(y, {of.removesuffix('[{}]')}, {network.outputs});"]
    lines, needs = apply_head(network.head, of, code.constants)
    layers.scratch = max(layers.scratch, needs)
    return lines


def _given(network: Network, code: Code) -> list[str]:
    """Statements that turn the head's result into what is given."""
    if network.gives == "classes":
        return [f"$softmax(y, {network.outputs});"]
    if network.gives == "keys":
        return loop(network.outputs, "y[i] = $sigmoid(y[i]);")
    if network.gives == "numbers":
        scale, shift = code.constants.add("scale_out", network.scale), code.constants.add("shift_out", network.shift)
        return loop(network.outputs, f"y[i] = y[i] * {scale}[i] + {shift}[i];")
    return []


def _each(network: Network, code: Code, layers: Layers, size: tuple[str, str, str], reading: list[str]) -> None:
    """The functions of a network that has an output at each step."""
    one, every, given = size
    verdict = [*_verdict(network, code, layers, layers.output), *_given(network, code)]
    says = {"language": "the probability of each token to come next"}.get(network.task, "the outputs")
    code.public("Begin a new sequence.", "void $reset($state *s)", layers.resets)
    code.public(
        f"Read a step; y is set to {says}, unless it is a null pointer.",
        f"void $step($state *s, {one}, float *y)",
        [*reading, "if (!y)", "    return;", *verdict],
    )
    if network.task == "language":
        return
    code.public(
        "Read a whole sequence from its beginning; y has the outputs of each step.",
        f"void $predict($state *s, {every}, int steps, float *y)",
        [
            "int t;",
            "$reset(s);",
            "for (t = 0; t < steps; ++t)",
            f"    $step(s, {given}, y + t * {network.outputs});",
        ],
    )


def _whole(network: Network, code: Code, layers: Layers, size: tuple[str, str, str], reading: list[str]) -> None:
    """The functions of a network that says one thing of a sequence, so far at each step."""
    one, every, given = size
    resets = [*layers.resets, "s->steps = 0;"]
    members, pooling, pooled = pool(network, layers.output, layers.width, code.constants)
    code.members += [*members, "uint32_t steps;"]
    resets += [f"$fill(s->pooled, 0.0f, {layers.width});"] if members else []
    if network.attention is not None:
        layers.scratch = max(layers.scratch, len(network.attention.hidden.bias))
        resets += ["s->weight = 0.0f;", "s->most = 0.0f;"]
        pooling = ["float score, old;", *pooling]
    verdict = _verdict(network, code, layers, pooled)
    step = [*reading, *pooling, "++s->steps;"]
    if network.grams is not None and isinstance(network.reads, Tokens):
        wide = WideText(network.grams, len(network.reads.embedding), code.constants)
        code.members += [*wide.members, "int token;"]
        code.functions.append(wide.function)
        resets += [*wide.resets, "s->token = 0;"]
        verdict += wide.verdict
        step = [reading[0], *wide.step, *reading[1:], *pooling, "s->token = token;", "++s->steps;"]
    if network.most is not None:
        step = [f"if (s->steps >= {network.most}u)", "    return;", *step]
    code.functions.append(function(f"void $read($state *s, {one})", step))
    code.public("Begin a new sequence.", "void $reset($state *s)", resets)
    code.public(
        "Set y to what the steps so far say; there must be one at least.",
        "void $verdict($state *s, float *y)",
        [*verdict, *_given(network, code)],
    )
    name = one.split()[-1].split("[")[0]
    code.public(
        "Read a step; y is set to what the steps so far say, unless it is a null pointer.",
        f"void $step($state *s, {one}, float *y)",
        [f"$read(s, {name});", "if (y)", "    $verdict(s, y);"],
    )
    code.public(
        "Read a whole sequence from its beginning, and say one thing of it.",
        f"void $predict($state *s, {every}, int steps, float *y)",
        ["int t;", "$reset(s);", "for (t = 0; t < steps; ++t)", f"    $read(s, {given});", "$verdict(s, y);"],
    )


def finished(code: Code, name: str, network: Network) -> Header:
    """A header of all that was written."""
    upper = name.upper()
    members = "\n".join(f"    {member}" for member in code.members)
    state = f"typedef struct $state {{\n{members}\n}} $state;\n"
    labels = ""
    if code.labels:
        texts = ",\n".join(f"    {string(label)}" for label in code.labels)
        labels = f"const char *const $labels[{len(code.labels)}] = {{\n{texts}\n}};\n"
        code.declared.append(("The names of the outputs.", f"extern const char *const $labels[{len(code.labels)}]"))
    sizes = ", ".join(f"{upper}_{size} = {number}" for size, number in code.sizes.items())
    declarations = "\n".join(f"/* {does} */\n{head};\n" for does, head in code.declared)
    helpers = needed([*code.functions])
    body = "\n".join([*helpers, *code.constants.texts, *code.functions, *([labels] if labels else [])])
    taken = sum(map(_bytes, code.members))
    text = f"""\
{_comment(code, name, network, taken)}
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{ {sizes} }};

/* All that a sequence needs: one for each sequence that is read at a time. */
{state}
{declarations}
#ifdef __cplusplus
}}
#endif

#endif /* {upper}_H */

#ifdef {upper}_IMPLEMENTATION
#ifdef __FAST_MATH__
#error "with -ffast-math the functions of this file are wrong"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#ifdef __cplusplus
extern "C" {{
#endif

{body}
#ifdef __cplusplus
}}
#endif

#endif /* {upper}_IMPLEMENTATION */
"""
    return Header(text.replace("$", f"{name}_"), code.constants.bytes, taken)


def _bytes(member: str) -> int:
    """The bytes of a member of the state."""
    sizes = {"float": 4, "uint32_t": 4, "int": 4, "unsigned char": 1}
    return sum(
        sizes[kind] * int(count or 1)
        for kind, _, count in re.findall(r"(float|uint32_t|unsigned char|int) (\w+)(?:\[(\d+)\])?;", member)
    )


def _comment(code: Code, name: str, network: Network, state: int) -> str:
    upper = name.upper()
    cells = ", ".join(dict.fromkeys(step.name for (step,) in network.layers))
    sizes = " and ".join(f"{number} {size.lower()}" for size, number in code.sizes.items())
    what = "A recurrent layer" if network.task == "layer" else f"A model for the task {network.task}"
    number = "int8 with a scale a row; states are float" if code.constants.int8 else "float"
    tokens = (
        "\n\nIt reads token numbers: the tokenizer stays outside. tokenizer.json of the model folder has the numbers, "
        f"and a number that is none of them is read as the unknown token, {network.reads.unknown}."
        if isinstance(network.reads, Tokens)
        else ""
    )
    text = f"""\
{what} in C99, written by ricorda {__version__}: {cells}, {sizes}.

It needs no library, allocates nothing and has no global variables that change, so sequences can be read side by
side, each with a state of its own.

    #define {upper}_IMPLEMENTATION   in one source file, before the first #include of this header
    #include "{name}.h"

    static {name}_state state;
    {name}_reset(&state);            then the functions below{tokens}

Constants: {code.constants.bytes:,} bytes ({number}). State: {state:,} bytes. Code: mostly 1 to 4 kB.
The same bits come from every compiler with IEEE floats that does not fuse multiplications and additions:
-ffp-contract=off for gcc; never -ffast-math."""
    lines = "\n".join(f" * {line}".rstrip() for part in text.split("\n\n") for line in [*_lines(part), ""])
    return f"/*\n{lines.rstrip(' *').rstrip()}\n */"


def _lines(part: str) -> list[str]:
    if part.startswith("    ") or "\n    " in part:
        return part.split("\n")
    return textwrap.wrap(" ".join(part.split("\n")), 110)
