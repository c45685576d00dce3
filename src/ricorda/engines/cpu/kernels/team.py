"""Teams of threads: torch's own OpenMP threads run the parts of a kernel and wait for each other at barriers.

Threads of our own would lose up to half the speed, because torch's spin for a while when they have no work.
"""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import I32, I64, VOID, Emitter
from ricorda.engines.cpu.words.target import Target

SPINS = 2000
"""How often a thread looks at a barrier before it lets others run: some tens of microseconds."""


def emit_barrier(module: ir.Module, target: Target) -> ir.Function:
    """Write `barrier(i64* state, i64 threads)`, where each thread waits for all others; `state` begins as two zeros."""
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64]), "barrier")
    function.linkage = "internal"
    state, threads = function.args
    entry = function.append_basic_block("entry")
    meet, last, wait, spin, rest, done = (
        function.append_basic_block(name) for name in ("meet", "last", "wait", "spin", "rest", "done")
    )
    b = ir.IRBuilder(entry)
    b.cbranch(b.icmp_signed("<=", threads, I64(1)), done, meet)
    b.position_at_end(meet)
    round_ = b.gep(state, [I64(8)])  # It has a cache line of its own.
    before = b.load_atomic(round_, "acquire", 8)
    come = b.atomic_rmw("add", state, I64(1), "acq_rel")
    b.cbranch(b.icmp_signed("==", come, b.sub(threads, I64(1))), last, wait)
    b.position_at_end(last)
    b.store_atomic(I64(0), state, "monotonic", 8)
    b.store_atomic(b.add(before, I64(1)), round_, "release", 8)
    b.branch(done)
    b.position_at_end(wait)
    looks = b.phi(I64)
    looks.add_incoming(I64(0), meet)
    b.cbranch(b.icmp_signed("==", b.load_atomic(round_, "acquire", 8), before), spin, done)
    b.position_at_end(spin)
    if target.is_x86:
        b.call(ir.Function(module, ir.FunctionType(VOID, []), "llvm.x86.sse2.pause"), [])
    more = b.add(looks, I64(1))
    looks.add_incoming(more, spin)
    b.cbranch(b.icmp_signed("<", more, I64(SPINS)), wait, rest)
    b.position_at_end(rest)
    b.call(ir.Function(module, ir.FunctionType(I32, []), "sched_yield"), [])
    looks.add_incoming(I64(0), rest)
    b.branch(wait)
    b.position_at_end(done)
    b.ret_void()
    return function


def emit_entry(module: ir.Module, body: ir.Function, name: str, parallel: bool) -> None:
    """Write `name(i64* args, i64 threads)`, which runs `body(args, thread, threads)` on each thread of a team.

    The team may be smaller than requested: `body` gets the number of threads that it really has.
    """
    args_type = I64.as_pointer()
    entry = ir.Function(module, ir.FunctionType(VOID, [args_type, I64]), name)
    b = ir.IRBuilder(entry.append_basic_block("entry"))
    args, threads = entry.args
    if not parallel:
        b.call(body, [args, I64(0), I64(1)])
        b.ret_void()
        return
    alone, together = entry.append_basic_block("alone"), entry.append_basic_block("together")
    b.cbranch(b.icmp_signed("<=", threads, I64(1)), alone, together)
    b.position_at_end(alone)
    b.call(body, [args, I64(0), I64(1)])
    b.ret_void()
    b.position_at_end(together)
    member, thread, members = _emit_team(b, name + "_member", args, b.trunc(threads, I32))
    member.call(body, [member.function.args[0], thread, members])
    member.ret_void()


def emit_pair(module: ir.Module, body: ir.Function, name: str, parallel: bool) -> None:
    """Write `name(i64* args, i64* other)`, which runs `body(args, 0, 1)` and `body(other, 0, 1)` at the same time."""
    args_type = I64.as_pointer()
    entry = ir.Function(module, ir.FunctionType(VOID, [args_type, args_type]), name)
    b = ir.IRBuilder(entry.append_basic_block("entry"))
    if not parallel:
        for args in entry.args:
            b.call(body, [args, I64(0), I64(1)])
        b.ret_void()
        return
    both = b.alloca(I64, 2)
    for number, args in enumerate(entry.args):
        b.store(b.ptrtoint(args, I64), b.gep(both, [I64(number)]))
    member, thread, members = _emit_team(b, name + "_member", both, I32(2))

    def one(number: ir.Value) -> None:
        args = member.inttoptr(member.load(member.gep(member.function.args[0], [number])), args_type)
        member.call(body, [args, I64(0), I64(1)])

    Emitter(member, "f64", 1).loop(thread, I64(2), members, one)  # If the team has one member, it runs both.
    member.ret_void()


def _emit_team(
    b: ir.IRBuilder, name: str, args: ir.Value, threads: ir.Value
) -> tuple[ir.IRBuilder, ir.Value, ir.Value]:
    """End a function with a team that runs `name(args)`; returns the builder of `name`, its thread and their number."""
    module = b.module
    member = ir.Function(module, ir.FunctionType(VOID, [args.type]), name)
    parallel_type = ir.FunctionType(VOID, [member.type, args.type, I32, I32])
    b.call(_declared(module, "GOMP_parallel", parallel_type), [member, args, threads, I32(0)])
    b.ret_void()
    b = ir.IRBuilder(member.append_basic_block("entry"))
    count = ir.FunctionType(I32, [])
    thread = b.sext(b.call(_declared(module, "omp_get_thread_num", count), []), I64)
    members = b.sext(b.call(_declared(module, "omp_get_num_threads", count), []), I64)
    return b, thread, members


def _declared(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    function = module.globals.get(name)
    return function if function is not None else ir.Function(module, kind, name)
