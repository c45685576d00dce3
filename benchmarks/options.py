"""Sections "options" (what each costs beside the plain layer) and "precision" (bf16 beside float32)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from cases import Case
from measure import interleave
from problem import Problem, module_runs, our_layer
from rows import Row, Settings

from ricorda.nn import watch_gradients

OPTIONS: dict[str, dict[str, Any]] = {
    "zoneout on h": {"zoneout": {"h": 0.1}},
    "zoneout on c": {"zoneout": {"c": 0.1}},
    "input dropout": {"input_dropout": 0.3},
    "state dropout": {"state_dropout": 0.3},
    "recurrent dropout": {"recurrent_dropout": 0.3},
    "weight drop": {"weight_drop": 0.3},
    "layer norm": {"layer_norm": True},
}
"""Keyword arguments of the layer's constructor."""

RECORDED = ("i", "f", "g", "o", "c", "h")
PLAIN = "plain"
RECORD = "record"
NORMS = "gradient norms"


LONGER = 4
"""How many times as long as others these are measured: a tenth more is to be told from noise."""


def run(settings: Settings) -> Iterator[Row]:
    """A row for each option: in pairs with the plain layer, as a machine's speed drifts over many contenders' turns."""
    plan = replace(settings.plan, budget=LONGER * settings.plan.budget)
    for B, H in ((4, 16),) if settings.quick else ((32, 128), (64, 512)):
        case, forms = Case("LSTM", B, H), (Case("GRU", B, H), Case("GRU reset-before", B, H))
        for name, call in _variants(settings, case).items():
            times = interleave({PLAIN: _training(case), name: call}, plan)
            yield settings.report(Row.of("options", case.label, times))
        label = f"GRU forms {forms[0].label.removeprefix('GRU ')}"
        if settings.wants("options", label):
            calls = {form.cell: _training(form) for form in forms}
            yield settings.report(Row.of("options", label, interleave(calls, plan)))


def run_precision(settings: Settings) -> Iterator[Row]:
    for cell in ("LSTM", "GRU"):
        for B, H, T in ((4, 16, 10),) if settings.quick else ((64, 512, 100), (64, 1024, 50)):
            case = Case(cell, B, H, T)
            if not settings.wants("precision", case.label):
                continue
            train = _training(case)

            def in_bf16(train: Callable[[], object] = train) -> object:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    return train()

            times = interleave({"float32": train, "bf16": in_bf16}, settings.plan)
            yield settings.report(Row.of("precision", case.label, times, flops=case.flops("training")))


def _variants(settings: Settings, case: Case) -> dict[str, Callable[[], object]]:
    """The wanted options."""
    calls: dict[str, Callable[[], object]] = {}
    for name in (*OPTIONS, RECORD, NORMS):
        if not settings.wants("options", f"{case.label} {name}"):
            continue
        if name == NORMS:
            calls[name] = _watched(case)
        elif name == RECORD:
            record = module_runs(our_layer(case), Problem(case), record=RECORDED).train
            assert record is not None
            calls[name] = record
        elif knows(case, OPTIONS[name]):
            calls[name] = _training(case, **OPTIONS[name])
        else:
            settings.skip("options", name, f"the layer has no argument {', '.join(OPTIONS[name])}")
    return calls


def _watched(case: Case) -> Callable[[], object]:
    layer = our_layer(case)
    train = module_runs(layer, Problem(case)).train
    assert train is not None

    def watched(train: Callable[[], object] = train) -> object:
        with watch_gradients(layer):
            return train()

    return watched


def _training(case: Case, **options: Any) -> Callable[[], object]:
    train = module_runs(our_layer(case, **options), Problem(case)).train
    assert train is not None
    return train


def knows(case: Case, options: dict[str, Any]) -> bool:
    """Whether the layer's constructor has these arguments."""
    try:
        our_layer(case, **options)
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            return False
        raise
    return True
