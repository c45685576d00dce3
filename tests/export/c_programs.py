"""C programs around exported headers: built by each compiler, run here or on an emulated Cortex-M4."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-ffp-contract=off"]

NUMBERS = """
static uint32_t seed = 1;
static float drawn(void) /* between -2 and 2, in steps that floats hold exactly */
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)(seed >> 16) / 16384.0f - 2.0f;
}
static uint32_t hash = 2166136261u;
static void note(float y)
{
    union { float number; uint32_t bits; } u;
    u.number = y;
    hash = (hash ^ u.bits) * 16777619u;
}
"""

HOSTED = """
#include <stdio.h>
static void out(const char *text) { fputs(text, stdout); }
"""

CORTEX_M4 = """
#include <stdint.h>
extern uint32_t stack_top;
int main(void);
static void call(int number, const void *of)
{
    register int r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = of;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
static void out(const char *text) { call(4, text); }
void reset(void);
void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the FPU */
    __asm__ volatile("dsb\\n isb");
    main();
    call(0x18, (const void *)0x20026); /* the program has ended */
    for (;;) {
    }
}
static const struct {
    uint32_t *stack;
    void (*begin)(void);
} vectors __attribute__((section(".vectors"), used)) = {&stack_top, reset};
"""

LINKED = """
MEMORY { code (rx) : ORIGIN = 0, LENGTH = 4M  data (rw) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM.ex*) } > code
  .data : { *(.data*) *(.bss*) *(COMMON) } > data
  stack_top = 0x20400000;
}
"""
"""The program's variables begin with zeros or are set before they are read, so that nothing needs to be copied."""


def drawn(count: int) -> NDArray[np.float32]:
    """The first numbers of `drawn` in C, after its seed is 1."""
    seed, numbers = 1, []
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) % (1 << 32)
        numbers.append((seed >> 16) / 16384 - 2)
    return np.array(numbers, np.float32)


def need(*tools: str) -> None:
    """Skip a test where a tool is absent."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; .ci/run installs it")


def build(compiler: str, source: Path, *options: str, name: str = "") -> Path:
    """Compile a program with all warnings as errors."""
    need(compiler)
    program = source.with_name(name or f"{source.stem}_{compiler}")
    standard = ["-std=c++11", "-x", "c++"] if compiler.endswith("++") else ["-std=c99"]
    run([compiler, *standard, *STRICT, *options, str(source), "-o", str(program)])
    return program


def run(command: Sequence[Any], **options: Any) -> str:
    """What a command prints, which must end well."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def on_cortex_m4(source: Path, *options: str) -> str:
    """What a program prints on a Cortex-M4 with its FPU."""
    need("arm-none-eabi-gcc", "qemu-system-arm")
    script = source.with_name("m4.ld")
    script.write_text(LINKED, encoding="utf-8")
    image = source.with_suffix(".elf")
    machine = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
    bare = ["-nostartfiles", "-ffreestanding", "-T", str(script), "-Wl,--entry=reset"]
    run(["arm-none-eabi-gcc", "-std=gnu99", *STRICT, *machine, *bare, *options, source, "-o", image])
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-semihosting-config", "enable=on,target=native"]
    command = " ".join(map(str, [*emulator, "-kernel", image]))
    return run(["sh", "-c", f"{command} 2>&1"], timeout=300)  # It prints where errors go.


def hexadecimal() -> str:
    """C's function that prints a name and a hash."""
    return """
static void say(const char *name)
{
    char text[11] = "        \\n";
    int i;
    for (i = 0; i < 8; ++i)
        text[7 - i] = "0123456789abcdef"[hash >> 4 * i & 15];
    out(name);
    out(" ");
    out(text);
}
"""
