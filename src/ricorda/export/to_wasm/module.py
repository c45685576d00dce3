"""WebAssembly modules: what LLVM writes for wasm32 made a module of its own, without a linker.

LLVM's object file is a module already, but for what a linker adds. Code that calls nothing and knows its addresses has
nothing to be linked: it needs a memory, exports, and its data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import llvmlite.binding as llvm

MAGIC = b"\0asm\1\0\0\0"
PAGE = 65536
TYPE, IMPORT, FUNCTION, MEMORY, EXPORT, START, CODE, DATA = 1, 2, 3, 5, 7, 8, 10, 11
CUSTOM = 0


def unsigned(number: int) -> bytes:
    """A number in LEB128."""
    result = bytearray()
    while True:
        number, low = number >> 7, number & 127
        result.append(low | (128 if number else 0))
        if not number:
            return bytes(result)


def signed(number: int) -> bytes:
    """A number of at least 0 in signed LEB128."""
    result = bytearray()
    while True:
        number, low = number >> 7, number & 127
        done = not number and low < 64
        result.append(low | (0 if done else 128))
        if done:
            return bytes(result)


def _read(data: bytes, at: int) -> tuple[int, int]:
    """A number in LEB128 at a place, and the place after it."""
    number = shift = 0
    while True:
        byte = data[at]
        number, shift, at = number | (byte & 127) << shift, shift + 7, at + 1
        if not byte & 128:
            return number, at


def sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """The sections of a module: their numbers and contents."""
    at = len(MAGIC)
    while at < len(module):
        size, start = _read(module, at + 1)
        yield module[at], module[start : start + size]
        at = start + size


def text(name: str) -> bytes:
    """A name with its length."""
    encoded = name.encode()
    return unsigned(len(encoded)) + encoded


def section(number: int, content: bytes) -> bytes:
    """A section."""
    return bytes([number]) + unsigned(len(content)) + content


def custom(module: bytes, name: str) -> bytes:
    """The content of a module's custom section."""
    start = text(name)
    return next(
        content[len(start) :] for number, content in sections(module) if number == CUSTOM and content.startswith(start)
    )


def linked(
    code: bytes, functions: Sequence[str], size: int, data: Sequence[tuple[int, bytes]], notes: dict[str, bytes]
) -> bytes:
    """A module from LLVM's object file.

    Parameters
    ----------
    code : the object file; its functions take and give nothing
    functions : their names, which are exported, in order; the first is run once when the module is made
    size : bytes of memory, which is exported as `memory`
    data : (address, bytes): what the memory begins with
    notes : custom sections, by name
    """
    parts = {number: content for number, content in sections(code) if number != CUSTOM}
    for number, content in sections(code):
        # Relocations are places that a linker would fill in: calls of a library, or a stack.
        if number == CUSTOM and content.startswith(text("reloc.CODE")):
            raise AssertionError("the code of a step needs a linker")
    exports = [text("memory") + b"\2\0"]
    exports += [text(name) + b"\0" + unsigned(place) for place, name in enumerate(functions)]
    pages = unsigned(-(-size // PAGE))
    segments = [b"\0\x41" + signed(address) + b"\x0b" + unsigned(len(values)) + values for address, values in data]
    result = MAGIC
    for number, content in (
        (TYPE, parts[TYPE]),
        (FUNCTION, parts[FUNCTION]),
        (MEMORY, b"\1\1" + pages + pages),
        (EXPORT, unsigned(len(exports)) + b"".join(exports)),
        (START, b"\0"),
        (CODE, parts[CODE]),
        (DATA, unsigned(len(segments)) + b"".join(segments)),
    ):
        result += section(number, content)
    return result + b"".join(section(CUSTOM, text(name) + content) for name, content in notes.items())


def size_of_code(module: bytes) -> int:
    """Bytes of a module without its data and notes."""
    return len(MAGIC) + sum(
        len(section(number, content)) for number, content in sections(module) if number not in (CUSTOM, DATA)
    )


def compiled(source: str) -> bytes:
    """LLVM's object file for wasm32 of a module in LLVM's language."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(source)
    module.verify()
    target = llvm.Target.from_triple("wasm32-unknown-unknown")
    machine = target.create_target_machine(
        cpu="generic", features="+simd128,+bulk-memory,+nontrapping-fptoint", opt=3, reloc="static"
    )
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = options.loop_interleaving = False
    options.loop_vectorization = options.slp_vectorization = False  # The code is in vectors already.
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    result: bytes = machine.emit_object(module)
    return result
