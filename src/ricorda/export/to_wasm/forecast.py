"""Forecasters as modules: a step takes a whole window, and gives the steps after it, in the series' own units.

It is `ForecastNetwork.forward` with the scaling around it. Values enter and leave as float64, since a series may be
large beside what moves in it; all else is float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ir
import numpy as np
import torch

from ricorda.engines.cpu.words.emit import I32
from ricorda.engines.cpu.words.helpers import absolute, polynomial
from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.export.step import steps_of
from ricorda.export.to_wasm.code import over, product, reduced, total
from ricorda.export.to_wasm.layers import Layers
from ricorda.export.to_wasm.memory import Memory
from ricorda.export.to_wasm.program import assembled
from ricorda.export.to_wasm.words import Words
from ricorda.tasks.forecast.heads import LEAST_DEVIATION
from ricorda.tasks.forecast.network import LEAST_VARIANCE, ForecastNetwork

F64 = ir.DoubleType()


def module_of_forecaster(model: Any) -> bytes:
    """The module of a trained forecaster."""
    parts = _Forecast(model)
    return assembled(parts.memory, parts.about(), lambda e: None, parts.step)


class _Forecast:
    def __init__(self, model: Any) -> None:
        self.network: ForecastNetwork = model.network_
        self.facts, self.sizes = model.facts_, model.network_.sizes
        self.memory, sizes = Memory(), self.sizes
        take = self.memory.take
        self.layers = Layers([level[0] for level in steps_of(self.network.layers)], self.memory)
        self.layers.place()
        whole, self.all = sizes.context * sizes.variables, sizes.context + sizes.steps
        self.past, self.covariates = take(2 * whole), take(2 * self.all * sizes.covariates)
        self.normal, self.known = take(whole), take(self.all * sizes.covariates)
        self.mean, self.deviation = take(sizes.variables), take(sizes.variables)
        self.future = take(sizes.steps * sizes.covariates)
        self.size, self.targets = self.network.head.size, len(sizes.targets)
        self.row = take(sizes.steps * self.network.output_size)
        self.said = take(sizes.steps * self.targets * self.size)
        self.hidden, self.own = take(sizes.hidden), take(sizes.steps)
        self.output = take(2 * sizes.steps * self.targets * self.size)
        scaling = self.facts.scaling
        self.scales = {
            name: [self._doubles(part.mean), self._doubles(part.scale)]
            for name, part in (("past", scaling.variables), ("covariates", scaling.known))
        }
        self.chosen = self.memory.keep(np.array(sizes.targets, np.int32))

    def about(self) -> dict[str, Any]:
        """What the module tells of itself."""
        sizes, facts, head = self.sizes, self.facts, self.network.head
        inputs = [("past", self.past, [sizes.context, sizes.variables])]
        if sizes.covariates:
            inputs.append(("covariates", self.covariates, [self.all, sizes.covariates]))
        shape = [sizes.steps, self.targets, self.size]
        return {
            "task": "forecast",
            "cell": self.layers.steps[0].name,
            "inputs": [
                {"name": name, "type": "f64", "size": shape[0] * shape[1], "shape": shape, "at": address}
                for name, address, shape in inputs
            ],
            "output": {
                "gives": head.kind,
                "type": "f64",
                "size": int(np.prod(shape)),
                "shape": shape,
                "at": self.output,
            },
            "state": {"at": self.past, "bytes": 0},
            "states": [],
            "labels": list(facts.targets),
            "variables": list(facts.inputs),
            **({"covariates": list(facts.covariates)} if facts.covariates else {}),
            **({"levels": list(head.levels)} if head.kind == "quantile" else {}),
        }

    def step(self, e: Words) -> None:
        """Make a forecast."""
        sizes = self.sizes
        self._standardise(e, "past", self.past, self.normal, sizes.context, sizes.variables)
        if sizes.covariates:
            self._standardise(e, "covariates", self.covariates, self.known, self.all, sizes.covariates)
            self._each(e, sizes.covariates, sizes.steps, self._take_future)
        self._run(e, sizes.variables, self._normalise)
        if self.network.independent:
            self._run(e, self.targets, self._read_one)
        else:
            self._read(e, None)
            self._each(e, sizes.steps, self.targets * self.size, self._copy_row)
        if self.network.autoregression is not None:
            self._run(e, self.targets, self._autoregress)
        self._each(e, sizes.steps, self.targets, self._say)

    # loops

    def _run(self, e: Words, count: int, body: Callable[[Words, ir.Value], Any]) -> None:
        def inside(i: ir.Value) -> Sequence[ir.Value]:
            body(e, i)
            return ()

        e.repeat(count, inside)

    def _each(self, e: Words, rows: int, columns: int, body: Callable[[Words, ir.Value, ir.Value], Any]) -> None:
        self._run(e, rows, lambda e, row: self._run(e, columns, lambda e, column: body(e, row, column)))

    def _place(self, e: Words, row: ir.Value, columns: int, column: ir.Value | int = 0) -> ir.Value:
        return e.b.add(e.b.mul(row, I32(columns)), I32(column) if isinstance(column, int) else column)

    # numbers

    def _doubles(self, values: Any) -> int:
        return self.memory.keep(np.ascontiguousarray(values, np.float64).view(np.int32))

    def _double(self, e: Words, address: int, place: ir.Value) -> ir.Value:
        return e.b.gep(I32(address).inttoptr(F64.as_pointer()), [place], inbounds=True)

    def _number(self, e: Words, address: int, place: ir.Value) -> ir.Value:
        return e.at(e.address(address), place)

    def _target(self, e: Words, number: ir.Value) -> ir.Value:
        """The variable that a target is."""
        return e.b.load(e.b.gep(I32(self.chosen).inttoptr(I32.as_pointer()), [number], inbounds=True))

    # parts of a step

    def _standardise(self, e: Words, name: str, source: int, target: int, rows: int, columns: int) -> None:
        """Values [rows, columns] in deviations from the mean, as [columns, rows]."""
        mean, scale = self.scales[name]

        def one(e: Words, row: ir.Value, column: ir.Value) -> None:
            value = e.b.load(self._double(e, source, self._place(e, row, columns, column)))
            value = e.b.fsub(value, e.b.load(self._double(e, mean, column)))
            value = e.b.fdiv(value, e.b.load(self._double(e, scale, column)))
            e.b.store(e.b.fptrunc(value, e.scalar), self._number(e, target, self._place(e, column, rows, row)))

        self._each(e, rows, columns, one)

    def _take_future(self, e: Words, column: ir.Value, step: ir.Value) -> None:
        source = self._place(e, column, self.all, e.b.add(step, I32(self.sizes.context)))
        value = e.b.load(self._number(e, self.known, source))
        e.b.store(value, self._number(e, self.future, self._place(e, column, self.sizes.steps, step)))

    def _normalise(self, e: Words, variable: ir.Value) -> None:
        """A variable's window by its own mean and deviation, and what they are."""
        b, context = e.b, self.sizes.context
        window = self._number(e, self.normal, self._place(e, variable, context))
        mean, deviation = e.scalar(0.0), e.scalar(1.0)
        if self.network.window:
            count = e.scalar(float(context))
            mean = b.fdiv(total(e, window, context), count)
            middle = e.splat(mean)

            def squared(value: ir.Value) -> ir.Value:
                difference = b.fsub(value, middle)
                return b.fmul(difference, difference)

            variance = b.fdiv(reduced(e, window, context, b.fadd, 0.0, squared), count)
            root = EMITTERS["sqrt"](e, e.splat(b.fadd(variance, e.scalar(LEAST_VARIANCE))))
            deviation = b.extract_element(root, I32(0))
            over(
                e,
                context,
                lambda i, n: e.put(b.fdiv(b.fsub(e.load(e.at(window, i)), middle), root), e.at(window, i), n),
            )
        if self.network.gain is not None and self.network.shift is not None:
            gain, shift = (
                b.load(self._number(e, self.memory.keep(values.detach().float().cpu().numpy()), variable))
                for values in (self.network.gain, self.network.shift)
            )
            wide = e.splat(gain), e.splat(shift)
            over(e, context, lambda i, n: e.put(e.multiply_add(e.load(e.at(window, i)), *wide), e.at(window, i), n))
            deviation = b.fdiv(deviation, b.fadd(gain, e.scalar(LEAST_VARIANCE**2)))
            mean = b.fsub(mean, b.fmul(shift, deviation))
        b.store(mean, self._number(e, self.mean, variable))
        b.store(deviation, self._number(e, self.deviation, variable))

    def _read_one(self, e: Words, target: ir.Value) -> None:
        """The output for one target, whose window is read alone."""
        self._read(e, self._target(e, target))

        def put(e: Words, step: ir.Value, part: ir.Value) -> None:
            value = e.b.load(self._number(e, self.row, self._place(e, step, self.size, part)))
            place = self._place(e, self._place(e, step, self.targets, target), self.size, part)
            e.b.store(value, self._number(e, self.said, place))

        self._each(e, self.sizes.steps, self.size, put)

    def _copy_row(self, e: Words, step: ir.Value, part: ir.Value) -> None:
        place = self._place(e, step, self.targets * self.size, part)
        e.b.store(e.b.load(self._number(e, self.row, place)), self._number(e, self.said, place))

    def _read(self, e: Words, variable: ir.Value | None) -> None:
        """What the recurrent layers make of the window of one variable, or of all together, in `row`."""
        sizes = self.sizes
        together = sizes.variables if variable is None else 1
        self.layers.begin(e)
        x = self.layers.read[next(iter(self.layers.steps[0].inputs))]

        def patch(e: Words, number: ir.Value) -> None:
            start = e.b.mul(number, I32(sizes.patch))

            def of_window(e: Words, feature: ir.Value, step: ir.Value) -> None:
                own = feature if variable is None else variable
                source = self._place(e, own, sizes.context, e.b.add(start, step))
                value = e.b.load(self._number(e, self.normal, source))
                e.b.store(value, self._number(e, x, self._place(e, feature, sizes.patch, step)))

            def of_covariates(e: Words, feature: ir.Value, step: ir.Value) -> None:
                source = self._place(e, feature, self.all, e.b.add(start, step))
                target = self._place(e, e.b.add(feature, I32(together)), sizes.patch, step)
                e.b.store(e.b.load(self._number(e, self.known, source)), self._number(e, x, target))

            self._each(e, together, sizes.patch, of_window)
            if sizes.covariates:
                self._each(e, sizes.covariates, sizes.patch, of_covariates)
            self.layers.write(e)

        self._run(e, sizes.context // sizes.patch, patch)
        read, size = e.address(self.layers.output), self.layers.width
        if self.network.known is not None:
            future = sizes.steps * sizes.covariates
            matrix, bias = _dense(self.network.known)
            operands = [(read, size), (e.address(self.future), future)]
            hidden = e.address(self.hidden)
            product(e, self.memory, operands, [matrix[:, :size], matrix[:, size:]], bias, hidden)
            over(e, sizes.hidden, lambda i, n: e.put(_gelu(e, e.load(e.at(hidden, i))), e.at(hidden, i), n))
            read, size = hidden, sizes.hidden
        matrix, bias = _dense(self.network.output)
        product(e, self.memory, [(read, size)], [matrix], bias, e.address(self.row))

    def _autoregress(self, e: Words, target: ir.Value) -> None:
        """Add the linear map of a target's window: to its mean alone, or to all its quantiles."""
        context, steps = self.sizes.context, self.sizes.steps
        window = self._number(e, self.normal, self._place(e, self._target(e, target), context))
        matrix, bias = _dense(self.network.autoregression)
        product(e, self.memory, [(window, context)], [matrix], bias, e.address(self.own))

        def add(e: Words, step: ir.Value, part: ir.Value) -> None:
            place = self._place(e, self._place(e, step, self.targets, target), self.size, part)
            where = self._number(e, self.said, place)
            e.b.store(e.b.fadd(e.b.load(where), e.b.load(self._number(e, self.own, step))), where)

        self._each(e, steps, 1 if self.network.head.kind == "gaussian" else self.size, add)

    def _say(self, e: Words, step: ir.Value, target: ir.Value) -> None:
        """What the output says of a step of a target, in the series' own units."""
        b, variable = e.b, self._target(e, target)
        first = self._place(e, self._place(e, step, self.targets, target), self.size)
        mean, deviation = (b.load(self._number(e, part, variable)) for part in (self.mean, self.deviation))
        own_mean, own_scale = (b.load(self._double(e, part, variable)) for part in self.scales["past"])
        values = [b.load(self._number(e, self.said, b.add(first, I32(part)))) for part in range(self.size)]
        if self.network.head.kind == "gaussian":
            wide = EMITTERS["softplus"](e, e.splat(values.pop()))
            wide = b.fmul(wide, absolute(e, e.splat(deviation)))
            spread = b.fadd(b.extract_element(wide, I32(0)), e.scalar(LEAST_DEVIATION))
            b.store(b.fmul(b.fpext(spread, F64), own_scale), self._double(e, self.output, b.add(first, I32(1))))
        values = _sorted(e, [b.fadd(b.fmul(value, deviation), mean) for value in values])
        for part, value in enumerate(values):
            number = b.fadd(b.fmul(b.fpext(value, F64), own_scale), own_mean)
            b.store(number, self._double(e, self.output, b.add(first, I32(part))))


def _dense(linear: Any) -> tuple[Any, Any]:
    with torch.no_grad():
        return linear.weight.float().cpu().numpy(), linear.bias.float().cpu().numpy()


def _sorted(e: Words, values: list[ir.Value]) -> list[ir.Value]:
    """Numbers in rising order: neighbours are exchanged as often as there are numbers."""
    values = list(values)
    for turn in range(len(values)):
        for place in range(turn % 2, len(values) - 1, 2):
            low, high = values[place], values[place + 1]
            falling = e.b.fcmp_ordered(">", low, high)
            values[place : place + 2] = e.b.select(falling, high, low), e.b.select(falling, low, high)
    return values


def _gelu(e: Words, x: ir.Value) -> ir.Value:
    """X (1 + erf(x / sqrt(2))) / 2, with erf to 2e-7 (Abramowitz, Stegun 1964, formula 7.1.26)."""
    b, one = e.b, e.constant(1.0)
    size = b.fmul(absolute(e, x), e.constant(0.5**0.5))
    t = b.fdiv(one, e.multiply_add(size, e.constant(0.3275911), one))
    curve = polynomial(e, t, [0.0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429])
    tail = b.fmul(curve, EMITTERS["exp"](e, b.fneg(b.fmul(size, size))))
    erf = e.on_vectors("copysign", b.fsub(one, tail), x)
    return b.fmul(b.fmul(x, e.constant(0.5)), b.fadd(one, erf))
