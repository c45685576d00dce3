"""The processor that code is generated for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from ricorda.engines.cpu.words import amx
from ricorda.engines.cpu.words.emit import Emitter

FEW = 2
"""The most rows for which code is written as for few: see `Target.few`."""


@dataclass(frozen=True, eq=False)
class Target:
    """A processor, an element type and the type of products; `host` makes one object of each.

    Parameters
    ----------
    triple : LLVM's name of the family and the system, such as "x86_64-unknown-linux-gnu"
    cpu : LLVM's name of the processor
    features : LLVM's list of its features, such as "+avx2,-avx512f"
    element : "f32" or "f64"
    products : "f32", "f64", "bf16": factors rounded to bf16, sums in float32, or "int8", see `products.int8`
    lanes : numbers of the element type in a vector register
    registers : vector registers
    has_fma : whether it multiplies and adds in one instruction
    has_bf16 : whether it has an instruction for products of bf16 pairs
    few : whether the code is for one or two rows, which need other tiles if registers are few: see `panel` and `tile`
    dot : the instruction that sums products of four int8, "vpdpbusd" or "sdot", or of tiles of them beside the first,
        "tdpbusd"; of two int16, "pmaddwd"; "" for none
    """

    triple: str
    cpu: str
    features: str
    element: str
    products: str
    lanes: int
    registers: int
    has_fma: bool
    has_bf16: bool
    few: bool = False
    dot: str = ""

    @cached_property
    def number(self) -> ir.Type:
        """LLVM's type of a number."""
        return ir.DoubleType() if self.element == "f64" else ir.FloatType()

    @property
    def panel(self) -> int:
        """Vectors of a row of packed weights: four, or two if there are 16 registers.

        With four, 16 registers have room for two rows only. Those are too few sums to hide the latency of each other,
        and they read the weights more often than the cache can deliver them.
        """
        return 4 if self.registers >= 32 or self.few else 2

    @property
    def tile(self) -> int:
        """Vectors of a row of a step's tile, for all its products together.

        For few rows it is eight, since one row of sums must hide its own latency; else it is as wide as a panel.
        """
        return 8 if self.few else self.panel

    @property
    def bundle(self) -> int:
        """The most products that one tile computes side by side."""
        return max(3, self.tile)

    @property
    def per_word(self) -> int:
        """Factors of products in the memory of one number."""
        return {"bf16": 2, "int8": 4}.get(self.products, 1)

    def row(self, K: int) -> int:
        """The length in memory of a row of K factors, in numbers; see `Frame.row`."""
        return self.words(K) + self.scale_words

    @property
    def scale_words(self) -> int:
        """What follows the words of a row: in int8 its scale. Rows of tiles begin with cache lines."""
        return 0 if self.products != "int8" else 16 if self.has_tiles else 1

    def rows(self, B: int) -> int:
        """The rows of memory for B rows of factors: tiles read more than there are, see `words.amx`."""
        return B + amx.ROWS - 1 if self.has_tiles else B

    def depth(self, K: int) -> int:
        """The rows of a packed matrix of K factors; see `Frame.depth`."""
        return self.words(K) + 2 * (self.products == "int8")

    @property
    def offset(self) -> int:
        """What is added to the int8 factors from the left, since the instruction takes them without a sign."""
        return 128 if self.dot in ("vpdpbusd", "tdpbusd") else 0

    @property
    def has_tiles(self) -> bool:
        """Whether products of int8 are those of AMX, see `words.amx`."""
        return self.products == "int8" and self.dot == "tdpbusd"

    def words(self, K: int) -> int:
        """The length in memory of K factors, in numbers; see `Frame.words`."""
        return -(-K // 64) * 16 if self.has_tiles else -(-K // self.per_word)

    @property
    def is_x86(self) -> bool:
        """Whether it is of the x86 family."""
        return self.triple.startswith(("x86_64", "i686"))

    def in_full(self) -> Target:
        """The same processor with products of the element type."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return _only(**{**own, "products": self.element})

    def symbol(self, name: str) -> str:
        """The name, in this process, of what is compiled once for all kernels of this target."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        return f"ricorda_{name}_{digest}"

    def tiles(self, form: str) -> str:
        """The name of the table of this target's tiles of a form."""
        return self.symbol(f"tile_{form}")

    def emitter(self, builder: ir.IRBuilder) -> Emitter:
        """An emitter for this processor."""
        return Emitter(builder, self.element, self.lanes, fused=self.has_fma)

    def machine(self) -> Any:
        """LLVM's code generator for this processor."""
        _initialize()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, jit=True
        )


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def _only(**fields: Any) -> Target:
    """The only target object with these fields: caches compare targets by identity."""
    return Target(**fields)


@cache
def host(element: str = "f32", products: str = "", cpu: str | None = None, *, few: bool = False) -> Target:
    """The target of this machine, or of a lesser one of its family.

    Parameters
    ----------
    few : bool
        Whether there are one or two rows. The results are the same to the bit: every sum has the same order along K.
    cpu : str, optional
        LLVM's name of a lesser processor that this machine can run the code of, such as "haswell" or "x86-64".
    """
    _initialize()
    if cpu is not None:
        return of(llvm.get_default_triple(), cpu, _FEATURES_OF[cpu], "", element, products, few=few)
    found = llvm.get_host_cpu_features()
    features = found.flatten().replace("+prefer-256-bit", "")
    own, tiles = llvm.get_host_cpu_name(), bool(found.get("amx-int8", False)) and amx.permitted()
    return of(llvm.get_default_triple(), own, found, features, element, products, few=few, tiles=tiles)


def of(
    triple: str,
    cpu: str,
    has: Mapping[str, bool],
    features: str = "",
    element: str = "f32",
    products: str = "",
    *,
    few: bool = False,
    tiles: bool = False,
) -> Target:
    """The target of any processor.

    Parameters
    ----------
    has : the features that LLVM reports of it. On macOS it reports none of an ARM processor, so the family decides
        what all ARM processors of 64 bits have: 32 registers, and multiplying and adding in one instruction.
    tiles : whether this process may use AMX, if the processor has it
    """
    arm = triple.startswith(("aarch64", "arm64"))
    wide = all(has.get(name, False) for name in ("avx512f", "avx512dq", "avx512bw"))
    bits = 512 if wide else 256 if has.get("avx2", False) else 128
    registers = 32 if wide or arm else 16
    return _only(
        triple=triple,
        cpu=cpu,
        features=",".join(part for part in [features, "-prefer-256-bit" if wide else ""] if part),
        element=element,
        products=products or element,
        lanes=bits // (64 if element == "f64" else 32),
        registers=registers,
        has_fma=has.get("fma", False) or wide or arm,
        has_bf16=wide and has.get("avx512bf16", False),
        few=few and registers < 32,
        dot=_dot(cpu, has, wide, arm, tiles),
    )


def _dot(cpu: str, has: Mapping[str, bool], wide: bool, arm: bool, tiles: bool) -> str:
    """The instruction for products of int8; tiles only if this process may use them."""
    if arm:
        return "sdot" if has.get("dotprod", False) or cpu.startswith("apple-m") else ""
    if wide and tiles and has.get("avx512vnni", False) and has.get("amx-int8", False):
        return "tdpbusd"
    return "vpdpbusd" if has.get("avx512vnni" if wide else "avxvnni", False) else "pmaddwd"


_WIDE = {"avx2": True, "fma": True, "avx512f": True, "avx512dq": True, "avx512bw": True}

_FEATURES_OF: dict[str, dict[str, bool]] = {
    "x86-64": {},
    "haswell": {"avx2": True, "fma": True},
    "alderlake": {"avx2": True, "fma": True, "avxvnni": True},
    "skylake-avx512": _WIDE,
    "cascadelake": {**_WIDE, "avx512vnni": True},
}
