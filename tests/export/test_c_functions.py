"""The operations in C, over all floats: as exact as those of the engine, and the same where nothing is a number."""

import subprocess

import numpy as np
import pytest
import torch
from c_programs import build

from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.export.to_c.mathematics import EXPRESSIONS, REDUCING, needed
from ricorda.export.to_c.text import array
from ricorda.program.operations import OPERATIONS, REDUCTIONS

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1e-45, -1e-40, 1.2e-38, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, 88.7]
MOST = {"sin": 1e5, "cos": 1e5}
"""Beyond it the sine and cosine say little, as the engine's."""


def numbers(op: str) -> list[np.ndarray]:
    """Arguments: special ones, each with each, and others of all magnitudes."""
    random = np.random.default_rng(0)
    arity = OPERATIONS[op].arity
    special = np.array(SPECIAL, np.float32)
    grid = np.stack(np.meshgrid(*[special] * min(arity, 2)), -1).reshape(-1, min(arity, 2))
    grid = np.column_stack([grid, grid[:, :1]])[:, :arity] if arity == 3 else grid
    drawn = random.normal(size=(1500, arity)) * 10.0 ** random.uniform(-6, 2, (1500, arity))
    every = np.concatenate([grid, drawn]).astype(np.float32)
    every = every[np.all(~(np.abs(every) > MOST.get(op, np.inf)), axis=1)]
    if op in ("sign", "share"):  # Of what is no number the reference says something else than the engine.
        every = every[~np.isnan(every).any(axis=1)]
    return [np.ascontiguousarray(column) for column in every.T]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, np.ndarray]:
    """What C gives for each operation."""
    folder, sizes = tmp_path_factory.mktemp("functions"), {}
    parts = ["#include <stdint.h>\n#include <stdio.h>\n", *needed(EXPRESSIONS.values())]
    body = []
    for op, expression in EXPRESSIONS.items():
        columns = numbers(op)
        sizes[op] = len(columns[0])
        parts += [array("uint32_t", f"{op}_{place}", column.view(np.uint32)) for place, column in enumerate(columns)]
        loads = "".join(f"const float a{n} = $number({op}_{n}[i]); (void)a{n}; " for n in range(len(columns)))
        body.append(
            f"    for (i = 0; i < {sizes[op]}; ++i) {{\n        {loads}\n"
            f"        y = {expression.format('a0', 'a1', 'a2')};\n        fwrite(&y, sizeof y, 1, stdout);\n    }}\n"
        )
    text = "".join([*parts, "int main(void)\n{\n    float y;\n    int i;\n", *body, "    return 0;\n}\n"])
    (folder / "functions.c").write_text(text.replace("$", "m_"), encoding="utf-8")
    done = subprocess.run([build("gcc", folder / "functions.c", "-O1")], capture_output=True, check=True).stdout
    ends = np.cumsum(list(sizes.values()))
    return dict(zip(sizes, np.split(np.frombuffer(done, np.float32), ends[:-1]), strict=True))


def test_every_operation_is_known() -> None:
    assert set(EXPRESSIONS) == set(EMITTERS)
    assert set(REDUCING) == set(REDUCTIONS)


@pytest.mark.parametrize("op", EXPRESSIONS)
def test_an_operation_is_right_to_a_few_units_in_the_last_place(results, op: str) -> None:
    columns = numbers(op)
    of = OPERATIONS["sqrt"] if op == "safe_sqrt" else OPERATIONS[op]  # The bound of its slope changes no value.
    columns = columns[: of.arity]
    exact = of.reference(torch, *(torch.from_numpy(column).double() for column in columns))
    with np.errstate(over="ignore"):
        expected = exact.numpy().astype(np.float32)
    ours = results[op]
    if op == "remainder":  # A quotient of more than 24 bits leaves no rest that a float could know.
        with np.errstate(all="ignore"):
            near = np.abs(columns[0].astype(float) / columns[1]) < 1 << 23
        ours, expected, columns = ours[near], expected[near], [column[near] for column in columns]
    same = (ours == expected) | (np.isnan(ours) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        close = np.abs(ours.astype(float) - expected) <= 3 * np.spacing(np.abs(expected)).astype(float)
    wrong = ~(same | close)
    assert not wrong.any(), list(zip(*(c[wrong][:8] for c in columns), ours[wrong], expected[wrong], strict=False))
