"""The whole of a module: what it is given, its layers, what it makes of their outputs, and where that lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.ir as ir
import numpy as np

from ricorda.data.beside import GAP, MASK
from ricorda.engines.cpu.words.emit import I8, I32, I64, VOID
from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.export.model import Grams, Network, Numbers, Tokens
from ricorda.export.to_wasm.code import greatest, over, product, total
from ricorda.export.to_wasm.layers import Layers, fill
from ricorda.export.to_wasm.memory import BYTES, Memory
from ricorda.export.to_wasm.module import compiled, linked
from ricorda.export.to_wasm.words import Words

FORMAT = 1
NOTE = "ricorda"
"""The name of the section in which a module tells of itself."""


def module_of(network: Network) -> bytes:
    """The module of a network's step.

    It has a memory, `memory`, and functions without arguments: `step` reads what it is given from the memory and
    writes there what it says, `reset` lets a new sequence begin. Where these lie stands in the section "ricorda", as
    JSON; what lasts from step to step is one part of the memory.
    """
    parts = _Module(network)
    return assembled(parts.memory, parts.about(), parts.reset, parts.step)


def assembled(
    memory: Memory, about: Mapping[str, Any], reset: Callable[[Words], None], step: Callable[[Words], None]
) -> bytes:
    """A module as it is stored.

    Parameters
    ----------
    memory : where everything lies, once the functions are written
    about : what the module tells of itself
    reset, step : write the code of the two functions
    """
    module = ir.Module("model")
    module.triple = "wasm32-unknown-unknown"
    for name, write in (("reset", reset), ("step", step)):
        function = ir.Function(module, ir.FunctionType(VOID, []), name)
        function.attributes.add("nounwind")
        words = Words(ir.IRBuilder(function.append_basic_block("entry")))
        write(words)
        words.b.ret_void()
    note = json.dumps({"format": FORMAT, **about}, separators=(",", ":"), allow_nan=False).encode()
    return linked(compiled(str(module)), ("reset", "step"), memory.end, memory.data, {NOTE: note})


class _Module:
    def __init__(self, network: Network) -> None:
        self.network, self.memory = network, Memory()
        take = self.memory.take
        first = self.memory.end
        self.layers = Layers([level[0] for level in network.layers], self.memory)
        self.count = take(1)  # Steps so far, as a number.
        self.pooled = take(self.layers.width) if network.pooling in ("mean", "max") else 0
        grams = network.grams
        if grams is not None:
            self.token, self.found, self.sums = take(1), take(1), take(len(grams.bias))
            self.seen = take(-(-len(grams.keys) // BYTES))
        self.kept = first, self.memory.end - first
        self.layers.place()
        self.given = self._inputs()
        self.between = [take(len(dense.bias)) for dense in network.head]
        self.output = self.between[-1] if self.between else self.layers.output

    def _inputs(self) -> list[dict[str, Any]]:
        """What a step is given, as the module tells it."""
        reads, inputs = self.network.reads, self.layers.steps[0].inputs
        if isinstance(reads, Tokens):
            address = self.memory.take(1)
            return [{"name": "token", "type": "i32", "size": 1, "below": len(reads.embedding), "at": address}]
        if isinstance(reads, Numbers):
            size = len(reads.mean)
            return [{"name": next(iter(inputs)), "type": "f32", "size": size, "at": self.memory.take(size)}]
        read = self.layers.read
        return [{"name": name, "type": "f32", "size": size, "at": read[name]} for name, size in inputs.items()]

    def about(self) -> dict[str, Any]:
        """What the module tells of itself."""
        network = self.network
        return {
            "task": network.task,
            "cell": self.layers.steps[0].name,
            "inputs": self.given,
            "output": {"gives": network.gives, "type": "f32", "size": network.outputs, "at": self.output},
            "state": {"at": self.kept[0], "bytes": self.kept[1]},
            "states": self.layers.about(),
            **({"labels": list(network.labels)} if network.labels else {}),
            **({"most": network.most} if network.most else {}),
        }

    # the functions

    def reset(self, e: Words) -> None:
        """Let a new sequence begin."""
        address, size = self.kept
        fill(e, e.address(address), size // BYTES, 0.0)
        self.layers.begin(e, zeros=False)
        if self.network.pooling == "max":
            fill(e, e.address(self.pooled), self.layers.width, -np.inf)

    def step(self, e: Words) -> None:
        """Take a step."""
        self._read(e)
        self.layers.write(e)
        vector = self._pool(e)
        size = self.layers.width
        for dense, address in zip(self.network.head, self.between, strict=True):
            result = e.address(address)
            product(e, self.memory, [(vector, size)], [dense.matrix], dense.bias, result)
            vector, size = result, len(dense.bias)
        if self.network.grams is not None:
            self._wide(e, self.network.grams, vector)
        if self.between:
            self._say(e, vector, size)

    def _read(self, e: Words) -> None:
        """Bring what is given to what the first layer reads."""
        reads, name = self.network.reads, next(iter(self.layers.steps[0].inputs))
        if isinstance(reads, Tokens):
            tokens, size = reads.embedding.shape
            given = self._whole(e, self.given[0]["at"])
            known = e.b.icmp_unsigned("<", given, I32(tokens))
            token = e.b.select(known, given, I32(reads.unknown))
            e.b.store(token, I32(self.given[0]["at"]).inttoptr(I32.as_pointer()))
            row = e.b.mul(token, I32(size))
            source, target = e.at(e.address(self.memory.keep(reads.embedding)), row), e.address(self.layers.read[name])
            over(e, size, lambda i, count: e.put(e.load(e.at(source, i)), e.at(target, i), count))
        elif isinstance(reads, Numbers):
            self._standardise(e, reads, name)

    def _standardise(self, e: Words, reads: Numbers, name: str) -> None:
        beside, mean = reads.beside, reads.mean
        numbers = e.address(self.given[0]["at"])
        means, scales = (e.address(self.memory.keep(values)) for values in (mean, reads.scale))
        runs = [(0, 0, len(mean))]
        if beside.column is not None:  # The feature that holds the times is none of the numbers.
            runs = [(0, 0, beside.column), (beside.column + 1, beside.column, len(mean) - beside.column - 1)]
        for source, target, size in runs:

            def features(i: ir.Value, count: int, source: int = source, target: int = target) -> None:
                number = e.load(e.at(numbers, i, source))
                known = e.b.fcmp_ordered("ord", number, number)
                number = e.b.select(known, number, e.constant(0.0)) if beside.mask else number
                x = e.b.fdiv(e.b.fsub(number, e.load(e.at(means, i, source))), e.load(e.at(scales, i, source)))
                if beside.mask:
                    x = e.b.select(known, x, e.constant(0.0))
                    mask = e.b.select(known, e.constant(1.0), e.constant(0.0))
                    e.put(mask, e.at(e.address(self.layers.read[MASK]), i, target), count)
                e.put(x, e.at(e.address(self.layers.read[name]), i, target), count)

            if size:
                over(e, size, features)
        if beside.gap:
            gap = e.scalar(1.0)
            if beside.column is not None:
                unit = float(mean[beside.column])
                gap = e.b.fdiv(e.b.load(e.at(numbers, beside.column)), e.scalar(unit if unit > 0 else 1.0))
            e.b.store(gap, e.address(self.layers.read[GAP]))

    def _pool(self, e: Words) -> ir.Value:
        """A pointer to what is made of the last layer's outputs so far."""
        output = e.address(self.layers.output)
        if self.network.pooling in ("each", "last"):
            return output
        pooled = e.address(self.pooled)
        steps = None
        if self.network.pooling == "mean":
            steps = e.b.fadd(e.b.load(e.address(self.count)), e.scalar(1.0))
            e.b.store(steps, e.address(self.count))

        def unit(i: ir.Value, count: int) -> None:
            old, new = e.load(e.at(pooled, i)), e.load(e.at(output, i))
            if steps is None:
                e.put(EMITTERS["maximum"](e, old, new), e.at(pooled, i), count)
            else:  # The mean so far moves towards the new one.
                e.put(e.b.fadd(old, e.b.fdiv(e.b.fsub(new, old), e.splat(steps))), e.at(pooled, i), count)

        over(e, self.layers.width, unit)
        return pooled

    def _say(self, e: Words, scores: ir.Value, size: int) -> None:
        """Turn scores into what the model says, in their place."""
        network = self.network
        if network.gives == "classes":
            top = e.splat(greatest(e, scores, size))
            exp = EMITTERS["exp"]
            over(e, size, lambda i, n: e.put(exp(e, e.b.fsub(e.load(e.at(scores, i)), top)), e.at(scores, i), n))
            whole = e.splat(total(e, scores, size))
            over(e, size, lambda i, n: e.put(e.b.fdiv(e.load(e.at(scores, i)), whole), e.at(scores, i), n))
        elif network.gives == "keys":
            over(e, size, lambda i, n: e.put(EMITTERS["sigmoid"](e, e.load(e.at(scores, i))), e.at(scores, i), n))
        elif network.gives == "numbers":
            shift, scale = (e.address(self.memory.keep(values)) for values in (network.shift, network.scale))

            def undo(i: ir.Value, count: int) -> None:
                own = e.multiply_add(e.load(e.at(scores, i)), e.load(e.at(scale, i)), e.load(e.at(shift, i)))
                e.put(own, e.at(scores, i), count)

            over(e, size, undo)

    def _whole(self, e: Words, address: int) -> ir.Value:
        return e.b.load(I32(address).inttoptr(I32.as_pointer()))

    def _wide(self, e: Words, grams: Grams, scores: ir.Value) -> None:
        """Add to the scores what is known of this step's token, alone and after the one before."""
        token = self._whole(e, self.given[0]["at"])
        before = self._whole(e, self.token)  # 0, which is no token of a text, before the first.
        e.b.store(token, I32(self.token).inttoptr(I32.as_pointer()))
        known = grams.keys.astype(np.int64)  # Of each pair one number, whose order is theirs.
        known = (known[:, 0] << 32) + known[:, 1]
        keys = I32(self.memory.keep(known.view(np.int32))).inttoptr(I64.as_pointer())
        weights = e.address(self.memory.keep(grams.scores))
        bias = e.address(self.memory.keep(grams.bias))
        alone = e.b.shl(e.b.zext(token, I64), I64(32))
        pair = e.b.or_(e.b.shl(e.b.zext(before, I64), I64(32)), e.b.zext(token, I64))

        def each(number: ir.Value) -> Sequence[ir.Value]:
            key = e.b.select(e.b.icmp_unsigned("==", number, I32(0)), alone, pair)
            self._gram(e, len(grams.keys), len(grams.bias), key, keys, weights)
            return ()

        e.repeat(2, each)
        found = e.b.load(e.address(self.found))
        root = e.splat(e.b.select(e.b.fcmp_ordered(">", found, e.scalar(1.0)), found, e.scalar(1.0)))
        root = EMITTERS["sqrt"](e, root)
        sums = e.address(self.sums)

        def add(i: ir.Value, count: int) -> None:
            own = e.b.fadd(e.b.fdiv(e.load(e.at(sums, i)), root), e.load(e.at(bias, i)))
            e.put(e.b.fadd(e.load(e.at(scores, i)), own), e.at(scores, i), count)

        over(e, len(grams.bias), add)

    def _gram(self, e: Words, count: int, outputs: int, key: ir.Value, keys: ir.Value, weights: ir.Value) -> None:
        """Add a gram's weights to the sums, if it is known and new."""
        b = e.b

        def halve(_: ir.Value, low: ir.Value, span: ir.Value) -> Sequence[ir.Value]:
            """Move on to the half of the keys that may hold this one."""
            half = b.lshr(span, I32(1))
            middle = b.add(low, half)
            here = b.load(b.gep(keys, [middle]))
            return [b.select(b.icmp_unsigned("<=", here, key), middle, low), b.sub(span, half)]

        place, _ = e.repeat(max(1, (count - 1).bit_length()), halve, I32(0), I32(count))
        seen = b.gep(I32(self.seen).inttoptr(I8.as_pointer()), [place])
        new = b.and_(
            b.icmp_unsigned("==", b.load(b.gep(keys, [place])), key), b.icmp_unsigned("==", b.load(seen), I8(0))
        )
        with b.if_then(new):
            b.store(I8(1), seen)
            found = e.address(self.found)
            b.store(b.fadd(b.load(found), e.scalar(1.0)), found)
            own, sums = e.at(weights, b.mul(place, I32(outputs))), e.address(self.sums)
            over(e, outputs, lambda i, n: e.put(b.fadd(e.load(e.at(sums, i)), e.load(e.at(own, i))), e.at(sums, i), n))
