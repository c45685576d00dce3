"""A module of kernels being written: its functions, and the slots of the argument block that they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir

from ricorda.engines.cpu.products.tile import place_in_table, table_type
from ricorda.engines.cpu.words.emit import I64, VOID, Emitter
from ricorda.engines.cpu.words.target import Target

ARGS = I64.as_pointer()


class Code:
    """A module of kernels.

    Every kernel gets one block of 64-bit arguments: numbers and addresses. A name gets a slot when it is first used;
    the caller of the kernel fills the block by `slots`.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.module = ir.Module("kernels")
        self.slots: dict[str, int] = {}

    def slot(self, name: str) -> int:
        """The number of a name's slot."""
        return self.slots.setdefault(name, len(self.slots))

    def function(self, name: str, numbers: int = 0, pointers: int = 0) -> Frame:
        """Begin the function `name(args, numbers..., pointers...)`; the caller ends it with `finish`."""
        function = ir.Function(self.module, self._type(numbers, pointers), name)
        function.linkage = "internal"
        function.attributes.add("noinline")  # Copies of it would take longer to compile than they save in calls.
        return Frame(self, function)

    def declared(self, name: str, numbers: int, pointers: int) -> ir.Function:
        """A function of another module, which takes a block of arguments, numbers and pointers."""
        known = self.module.globals.get(name)
        return ir.Function(self.module, self._type(numbers, pointers), name) if known is None else known

    def _type(self, numbers: int, pointers: int) -> ir.FunctionType:
        return ir.FunctionType(VOID, [ARGS, *[I64] * numbers, *[self.target.number.as_pointer()] * pointers])

    def zeros(self) -> ir.Value:
        """A row of zeros as wide as the widest tile: sums begin with it."""
        zeros = self.module.globals.get("zeros")
        if zeros is None:
            kind = ir.ArrayType(self.target.number, self.target.bundle * self.target.lanes)
            zeros = ir.GlobalVariable(self.module, kind, "zeros")
            zeros.linkage, zeros.global_constant, zeros.align = "internal", True, 64
            zeros.initializer = ir.Constant(kind, None)
        return zeros.bitcast(self.target.number.as_pointer())


class Frame:
    """A function being written.

    Attributes
    ----------
    args : the address of the argument block
    arguments : the function's own arguments after that
    entry : writes what is done once, before everything else
    b, e : write the body: LLVM's builder, and vector code
    """

    def __init__(self, code: Code, function: ir.Function) -> None:
        self.code = code
        self.target = code.target
        self.ir = function
        self.args = function.args[0]
        self.arguments = function.args[1:]
        self.entry = ir.IRBuilder(function.append_basic_block("entry"))
        self.b = ir.IRBuilder(function.append_basic_block("start"))
        self.e: Emitter = code.target.emitter(self.b)
        self._start = self.b.block
        self._known: dict[str, ir.Value] = {}

    def number(self, name: str) -> ir.Value:
        """A number of the argument block, loaded once, on entry; a size in digits stands for itself."""
        if name.isdigit():
            return I64(int(name))
        if name not in self._known:
            value = self.entry.load(self.entry.gep(self.args, [I64(self.code.slot(name))]))
            value.set_metadata("invariant.load", self.code.module.add_metadata([]))
            self._known[name] = value
        return self._known[name]

    def pointer(self, name: str, kind: ir.Type | None = None) -> ir.Value:
        """An address of the argument block; by default it points to numbers of the target's type."""
        key = f"pointer {name} {kind}"
        if key not in self._known:
            number = self.number(name)
            self._known[key] = self.entry.inttoptr(number, (kind or self.target.number).as_pointer())
        return self._known[key]

    def stack(self, vectors: int) -> ir.Value:
        """Space on the stack for some vectors."""
        room = self.entry.alloca(ir.ArrayType(self.e.vector, vectors))
        room.align = self.target.lanes * self.e.scalar_bytes
        return self.entry.bitcast(room, self.target.number.as_pointer())

    def tile(self, form: str, rows: ir.Value, vectors: ir.Value, *arguments: ir.Value) -> None:
        """Call the tile of a form that has this many rows and column vectors."""
        module, name = self.code.module, self.target.tiles(form)
        table = module.globals.get(name)
        if table is None:
            table = ir.GlobalVariable(module, table_type(self.target), name)
            table.global_constant = True
        function = self.b.load(self.b.gep(table, [I64(0), place_in_table(self.b, self.target, rows, vectors)]))
        function.set_metadata("invariant.load", module.add_metadata([]))
        self.b.call(function, arguments)

    def call(self, frame: Frame | ir.Function, *values: ir.Value | int) -> None:
        """Call another function of the module with the same argument block."""
        function = frame.ir if isinstance(frame, Frame) else frame
        self.b.call(function, [self.args, *(I64(v) if isinstance(v, int) else v for v in values)])

    def loop(self, start: Any, stop: Any, body: Callable[[ir.Value], Any], step: int = 1) -> None:
        """Run `body(i)` for each i in range(start, stop, step)."""
        self.e.loop(_i64(start), _i64(stop), step, body)

    def least(self, a: Any, b: Any) -> ir.Value:
        """The smaller of two numbers."""
        a, b = _i64(a), _i64(b)
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def most(self, a: Any, b: Any) -> ir.Value:
        """The larger of two numbers."""
        a, b = _i64(a), _i64(b)
        return self.b.select(self.b.icmp_signed("<", a, b), b, a)

    def ceil(self, a: ir.Value, by: int) -> ir.Value:
        """The quotient a / by, rounded up."""
        return self.b.udiv(self.b.add(a, I64(by - 1)), I64(by))

    def part(self, total: ir.Value, part: ir.Value, parts: ir.Value) -> ir.Value:
        """Where one of `parts` equal parts of a total begins."""
        return self.b.udiv(self.b.mul(total, part), parts)

    def sum(self, *values: Any) -> ir.Value:
        """The sum of numbers."""
        total = _i64(values[0])
        for value in values[1:]:
            total = self.b.add(total, _i64(value))
        return total

    def times(self, *values: Any) -> ir.Value:
        """The product of numbers."""
        total = _i64(values[0])
        for value in values[1:]:
            total = self.b.mul(total, _i64(value))
        return total

    def words(self, K: ir.Value) -> ir.Value:
        """The length of K factors of products: in numbers, pairs of bf16, or words of four int8."""
        if self.target.has_tiles:
            return self.times(self.ceil(K, 64), 16)
        return self.ceil(K, self.target.per_word) if self.target.per_word > 1 else K

    def row(self, K: ir.Value) -> ir.Value:
        """The length of a row of K factors: their words, and the scale of those in int8."""
        return self.sum(self.words(K), self.target.scale_words)

    def depth(self, K: ir.Value) -> ir.Value:
        """The rows of a packed matrix of K factors."""
        return self.depth_of(self.words(K))

    def depth_of(self, words: ir.Value) -> ir.Value:
        """The rows of a packed matrix: the words, and two more in int8, see `products.int8`."""
        return self.sum(words, 2) if self.target.products == "int8" else words

    def when(self, condition: ir.Value, then: Callable[[], Any], otherwise: Callable[[], Any] | None = None) -> None:
        """Run `then` if the condition holds, else `otherwise`."""
        if otherwise is None:
            with self.b.if_then(condition):
                then()
            return
        with self.b.if_else(condition) as (yes, no):
            with yes:
                then()
            with no:
                otherwise()

    def vectors(
        self, start: Any, stop: Any, columns: ir.Value, body: Callable[[ir.Value, ir.Value | None], Any]
    ) -> None:
        """Run `body(column, mask)` for the vectors start to stop; the mask ends the last one at `columns`."""
        lanes = self.target.lanes

        def one(i: ir.Value) -> None:
            column = self.times(i, lanes)
            self.masked(column, columns, lambda mask: body(column, mask))

        self.loop(start, stop, one)

    def masked(self, column: ir.Value, columns: ir.Value, body: Callable[[ir.Value | None], Any]) -> None:
        """Run `body(mask)`; the mask is None if the whole vector at `column` lies before `columns`."""
        left = self.b.sub(columns, column)
        whole = self.b.icmp_signed(">=", left, I64(self.target.lanes))
        self.when(whole, lambda: body(None), lambda: body(self.lanes_below(left)))

    def lanes_below(self, count: ir.Value) -> ir.Value:
        """A mask of the first `count` lanes."""
        lanes = self.target.lanes
        kind = ir.VectorType(I64, lanes)
        return self.b.icmp_signed("<", ir.Constant(kind, list(range(lanes))), self.e.splat(count))

    def finish(self) -> ir.Function:
        """End the function and return it."""
        self.entry.branch(self._start)
        self.b.ret_void()
        return self.ir


def _i64(value: Any) -> ir.Value:
    return I64(value) if isinstance(value, int) else value
