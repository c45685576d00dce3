"""A classifier of sentences as C: what 8 bits lose and save, and how long a step takes; a part of `make check-real`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from reached import Row, there
from real_classify import sst

from ricorda import SequenceClassifier, export
from ricorda.nn import LSTM

LOST, SHARE, MICROSECONDS = 0.01, 0.3, 4.0
"""Accuracy that 8 bits may lose, what they may take of the size in float, and what a step may take."""

READING = """
#include <stdio.h>
#define MODEL_IMPLEMENTATION
#include "model.h"
int main(void) /* reads the number of tokens, then these, for each sentence; prints the best class */
{
    static model_state state;
    float y[MODEL_OUTPUTS];
    int count, token, best, i;
    while (scanf("%d", &count) == 1) {
        model_reset(&state);
        while (count-- > 0 && scanf("%d", &token) == 1)
            model_step(&state, token, count ? 0 : y);
        for (best = 0, i = 1; i < MODEL_OUTPUTS; ++i)
            best = y[i] > y[best] ? i : best;
        printf("%d\\n", best);
    }
    return 0;
}
"""

TIMING = """
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>
#define MODEL_IMPLEMENTATION
#include "model.h"
int main(void) /* prints the fastest of many runs of 200 steps, in microseconds a step */
{
    static model_state state;
    float x[MODEL_INPUTS] = {0}, y[MODEL_OUTPUTS] = {0};
    double best = 1e9, taken;
    struct timespec begin, end;
    int run, t;
    model_reset(&state);
    for (run = 0; run < 500; ++run) {
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (t = 0; t < 200; ++t) {
            x[t % MODEL_INPUTS] = y[t % MODEL_OUTPUTS];
            model_step(&state, x, y);
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        taken = (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) * 1e-3;
        best = taken / 200 < best ? taken / 200 : best;
    }
    printf("%f\\n", best);
    return 0;
}
"""


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """One training in one direction; a layer of 64 units."""
    if shutil.which("gcc") is None:
        print("skipped: gcc is absent", flush=True)
        return
    with tempfile.TemporaryDirectory() as name:
        yield _speed(Path(name))
        if there(data / "sst"):
            yield _small(data / "sst", Path(name), seeds[0])


def _speed(folder: Path) -> Row:
    torch.manual_seed(0)
    export.c(LSTM(64, 64), folder / "model.h")
    options = (["-O2"], ["-O3", "-march=native"])
    taken = [float(_run(folder, TIMING, choice)) for choice in options]
    reached = ", ".join(f"{us:.2f} us with {' '.join(choice)}" for us, choice in zip(taken, options, strict=True))
    what = "export: a step of an LSTM of 64 units as C, gcc"
    return Row(what, reached, f"{MICROSECONDS:g} us", 0.0, min(taken) <= MICROSECONDS)


def _small(folder: Path, out: Path, seed: int) -> Row:
    train, dev, (texts, labels) = sst(folder)
    start = time.perf_counter()
    model = SequenceClassifier(bidirectional=False, random_state=seed).fit(*train, validation=dev)
    minutes = (time.perf_counter() - start) / 60
    return compared(model, texts, labels, out, minutes)


def compared(model: SequenceClassifier, texts: list[str], labels: list[str], out: Path, minutes: float) -> Row:
    """A model's accuracy in Python, as C in float, and as C in 8 bits."""
    truth = np.searchsorted(model.classes_, labels)
    sentences = [sequence.tolist() for sequence in model.encoder_.read(texts)]
    tokens = "\n".join(f"{len(ids)} {' '.join(map(str, ids))}" for ids in sentences)
    accuracies, sizes = [float((model.predict(texts) == np.array(labels)).mean())], []
    for int8 in (False, True):
        export.c(model, out / "model.h", int8=int8)
        constants = re.search(r"Constants: ([\d,]+) bytes", (out / "model.h").read_text(encoding="utf-8")[:4000])
        assert constants is not None
        sizes.append(int(constants[1].replace(",", "")))
        said = np.array(_run(out, READING, ["-O2"], tokens).split(), int)
        accuracies.append(float((said == truth).mean()))
    python, whole, small = accuracies
    return Row(
        "export: SST-2 in one direction as C, test accuracy in Python, in float and in 8 bits, and the latter's size",
        f"{python:.2%} {whole:.2%} {small:.2%}, {sizes[1] / 1e3:,.0f} of {sizes[0] / 1e3:,.0f} kB",
        f"at most {LOST:.0%} lost, {SHARE:.0%} of the size",
        minutes,
        abs(python - whole) < 0.002 and python - small <= LOST and sizes[1] <= SHARE * sizes[0],
    )


def _run(folder: Path, program: str, options: list[str], given: str = "") -> str:
    """What a program prints that includes the folder's model.h."""
    (folder / "main.c").write_text(program, encoding="utf-8")
    compiler = ["gcc", "-std=c99", "-ffp-contract=off", *options, "main.c", "-o", "main"]
    subprocess.run(compiler, cwd=folder, check=True)
    return subprocess.run([folder / "main"], input=given, capture_output=True, text=True, check=True).stdout
