"""What `ricorda info --engine` says of a machine is what the engines find there."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
import torch
from command_line import Command

from ricorda.engines import choose, here
from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu.kernels import threads
from ricorda.engines.cpu.words.target import host
from ricorda.insight.comparison.report import machine as of_report

UNKNOWN = """
import os
from ricorda.engines import here
from ricorda.engines.cpu.kernels import compile
here.report()  # All is imported while it may be read: Python itself may lie in root's home.
for variable in ("HOME", "RICORDA_CACHE", "XDG_CACHE_HOME"):
    os.environ.pop(variable, None)
os.setuid(54321)
here.cpu.without_machine.cache_clear()
compile.without_code.cache_clear()
compile.library.cache_clear()
print(here.report())
"""

ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"


def test_the_command_says_what_was_found_and_what_serves(ricorda_command: Command) -> None:
    done = ricorda_command("info", "--engine", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["code for"] == f"{host().cpu}, {host().triple}"
    assert f"{host().lanes} numbers of float32 in each of {host().registers} registers" in told["vectors"]
    start, reason = threads.team()
    assert told["threads"] == (f"{torch.get_num_threads()}, {reason}" if start else f"one: {reason}")
    assert told["cache"].startswith(os.environ.get("RICORDA_CACHE") or "")
    assert told["int8"].startswith("products ")
    assert told["serves"] == "the CPU engine" or choose.VARIABLE in os.environ
    assert "threads" in ricorda_command("info", "--engine").out


@pytest.mark.parametrize("words", [("info",), ("info", "model", "--engine")])
def test_the_command_wants_a_folder_or_the_machine(ricorda_command: Command, words: tuple[str]) -> None:
    done = ricorda_command(*words)
    assert (done.code, done.err) == (2, "error: give a model folder, or --engine to ask about this machine\n")


def test_reasons_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(threads, "_libraries", list)
    monkeypatch.setenv("RICORDA_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(
        machine, "without_code", lambda target: "RuntimeError: no" if target.products == "bf16" else None
    )
    threads.team.cache_clear()
    try:
        told = here.report()
    finally:
        threads.team.cache_clear()
    assert told["threads"] == "one: torch's own library cannot be found, and so no OpenMP"
    assert told["cache"] == f"{tmp_path / 'none'}, nothing yet"
    assert told["bf16"] == "in full precision, as no machine code can be had (RuntimeError: no)"


def test_a_machine_without_code_says_who_serves_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "without_code", lambda _: "RuntimeError: no memory may be executed")
    monkeypatch.delenv(choose.VARIABLE, raising=False)
    cpu.without_machine.cache_clear()
    try:
        told = here.report()
    finally:
        cpu.without_machine.cache_clear()
    assert told.keys() == {"processor", "serves"}
    assert told["serves"] == (
        "the slower reference engine, as the CPU engine cannot: no machine code can be had here "
        "(RuntimeError: no memory may be executed)"
    )


def test_a_processor_without_a_name_in_the_system_has_llvms(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an ARM processor, of which Linux tells numbers alone: reports of comparisons said "unknown"."""
    monkeypatch.setattr(here, "open", lambda *_, **__: io.StringIO(ARM), raising=False)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "neoverse-n1")
    assert here.processor() == "neoverse-n1"
    assert of_report()["processor"].startswith("neoverse-n1, ")


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become somebody unknown")
def test_somebody_without_name_and_home_is_served_by_the_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNKNOWN], env={**os.environ, "RICORDA_CACHE": ""}, capture_output=True, text=True
    )
    assert "'cache': 'none, as the user has no home', 'serves': 'the CPU engine'" in done.stdout, done.stderr
