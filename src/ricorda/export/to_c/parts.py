"""The parts of a model beside its layers in C: what reads, what pools, the head, the wide part."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.export.model import Attention, Dense, Grams, Network, Numbers, Tokens
from ricorda.export.stages import Array
from ricorda.export.to_c.step import Constants, product, quantised


def loop(count: int, *lines: str) -> list[str]:
    """A loop over `count` numbers, of one statement or several."""
    if len(lines) == 1:
        return [f"for (i = 0; i < {count}; ++i)", f"    {lines[0]}"]
    return [f"for (i = 0; i < {count}; ++i) {{", *(f"    {line}" for line in lines), "}"]


def function(head: str, body: list[str], public: bool = False) -> str:
    """A function with the loop variables that its body uses."""
    text = "\n".join(body)
    used = [name for name in ("i", "k") if f"for ({name} = " in text]
    variables = [f"int {', '.join(used)};"] if used else []
    lines = textwrap.indent("\n".join([*variables, *body]), "    ")
    return f"{'' if public else 'static '}{head}\n{{\n{lines}\n}}\n"


def smallest(numbers: NDArray[Any], most: int) -> NDArray[Any]:
    """Whole numbers from 0 to `most` in as few bytes as they need."""
    return numbers.astype(np.uint16 if most < 1 << 16 else np.uint32)


def read_tokens(reads: Tokens, constants: Constants) -> list[str]:
    """Statements that look a token up: `x` is its vector."""
    size = reads.embedding.shape[1]
    if not constants.int8:
        return [f"const float *x = {constants.add('embedding', reads.embedding)}[token];"]
    whole, scale = quantised(reads.embedding)
    e, r = constants.add("embedding", whole), constants.add("embedding_scale", scale)
    return ["const float *x = s->x;", *loop(size, f"s->x[i] = {r}[token] * (float){e}[token][i];")]


def read_numbers(reads: Numbers, constants: Constants) -> list[str]:
    """Statements that standardise `numbers` into members of the state, with the mask and the elapsed time beside."""
    count, column = len(reads.mean), reads.beside.column
    mean, scale = constants.add("mean", reads.mean), constants.add("scale", reads.scale)
    place = "i"
    out = []
    if column is not None:
        of_mean = float(reads.mean[column])
        unit = np.array([of_mean if of_mean > 0 else 1.0], np.float32)
        out.append(f"s->gap[0] = numbers[{column}] / {constants.add('gap_unit', unit)}[0];")
        place = f"(i < {column} ? i : i + 1)"
        count -= 1
    elif reads.beside.gap:
        out.append("s->gap[0] = 1.0f;")
    lines = [f"const int f = {place};"]
    if reads.beside.mask:
        lines += [
            "s->mask[i] = numbers[f] == numbers[f] ? 1.0f : 0.0f;",
            f"s->x[i] = numbers[f] == numbers[f] ? (numbers[f] - {mean}[f]) / {scale}[f] : 0.0f;",
        ]
    else:
        lines.append(f"s->x[i] = (numbers[f] - {mean}[f]) / {scale}[f];")
    return [*out, *loop(count, *lines)]


def pool(network: Network, output: str, size: int, constants: Constants) -> tuple[list[str], list[str], str]:
    """Members of the state, statements of a step, and C's text of an element of what the head is given.

    `output` is the text of an element of a step's output; `s->steps` is the number of steps before this one.
    """
    kind = network.pooling
    if kind == "mean":
        lines = loop(size, f"s->pooled[i] += {output.format('i')};")
        return [f"float pooled[{size}];"], lines, "s->pooled[{}] / (float)(s->steps ? s->steps : 1u)"
    if kind == "max":
        larger = f"!s->steps || {output.format('i')} > s->pooled[i]"
        return (
            [f"float pooled[{size}];"],
            loop(size, f"if ({larger})", f"    s->pooled[i] = {output.format('i')};"),
            "s->pooled[{}]",
        )
    if kind == "attention" and network.attention is not None:
        members = [f"float pooled[{size}];", "float weight;", "float most;"]
        return members, _attend(network.attention, output, size, constants), "s->pooled[{}] / s->weight"
    return [], [], output


def _attend(attention: Attention, output: str, size: int, constants: Constants) -> list[str]:
    """The mean so far, weighted by a softmax over the steps so far: weights are relative to the largest score."""
    hidden, query = attention.hidden, constants.add("query", attention.query)
    rows = len(hidden.bias)
    return [
        *product(constants, "attention", "s->scratch[{}]", [output], [hidden.matrix], hidden.bias),
        "score = 0.0f;",
        *loop(rows, f"score += {query}[i] * $tanh(s->scratch[i]);"),
        "old = 0.0f;",
        "if (s->steps && score > s->most)",
        "    old = $exp(s->most - score);",
        "else if (s->steps)",
        "    old = 1.0f;",
        "if (!s->steps || score > s->most)",
        "    s->most = score;",
        "score = $exp(score - s->most);",
        "s->weight = s->weight * old + score;",
        *loop(size, f"s->pooled[i] = s->pooled[i] * old + score * {output.format('i')};"),
    ]


def apply_head(head: tuple[Dense, ...], of: str, constants: Constants) -> tuple[list[str], int]:
    """Statements that put the head's result into `y`, and the scratch memory that they need."""
    out, needs = [], 0
    for number, dense in enumerate(head):
        last = number == len(head) - 1
        needs = max(needs, 0 if last else len(dense.bias))
        result = "y[{}]" if last else "s->scratch[{}]"
        out += product(constants, f"head{number}", result, [of], [dense.matrix], dense.bias)
        of = result
    return out, needs


class WideText:
    """The wide part in C: members of the state, a function that counts a gram, and what steps and verdicts do."""

    def __init__(self, grams: Grams, vocabulary: int, constants: Constants) -> None:
        count, outputs = grams.scores.shape
        self.members = [f"float wide[{outputs}];", "uint32_t grams;", f"unsigned char seen[{(count + 7) // 8}];"]
        self.resets = [
            "s->grams = 0;",
            *loop(outputs, "s->wide[i] = 0.0f;"),
            *loop((count + 7) // 8, "s->seen[i] = 0;"),
        ]
        starts = np.searchsorted(grams.keys[:, 0], np.arange(vocabulary + 1))
        self.first = constants.add("gram_first", smallest(starts, count))
        self.second = constants.add("gram_second", smallest(grams.keys[:, 1], vocabulary))
        scores: NDArray[np.int8] | Array = grams.scores
        score = "$gram_scores[low][i]"
        if constants.int8:
            whole, scale = quantised(np.ascontiguousarray(grams.scores.T))
            scores = np.ascontiguousarray(whole.T)
            score = f"{constants.add('gram_scale', scale)}[i] * (float){score}"
        constants.add("gram_scores", scores)
        bias = constants.add("gram_bias", grams.bias)
        self.function = function(
            "void $gram($state *s, int a, int b)",
            [
                f"uint32_t low = {self.first}[a], high = {self.first}[a + 1];",
                "const uint32_t end = high;",
                "while (low < high) {",
                "    const uint32_t middle = (low + high) / 2;",
                f"    if ((int){self.second}[middle] < b)",
                "        low = middle + 1;",
                "    else",
                "        high = middle;",
                "}",
                f"if (low == end || (int){self.second}[low] != b || s->seen[low / 8] >> low % 8 & 1)",
                "    return;",
                "s->seen[low / 8] = (unsigned char)(s->seen[low / 8] | 1u << low % 8);",
                "++s->grams;",
                *loop(outputs, f"s->wide[i] += {score};"),
            ],
        )
        self.step = ["$gram(s, token, 0);", "if (s->steps && token)", "    $gram(s, s->token, token);"]
        self.verdict = loop(outputs, f"y[i] += s->wide[i] / $sqrt((float)(s->grams ? s->grams : 1u)) + {bias}[i];")
