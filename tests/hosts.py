"""Machines for tests: namespaces of Linux with addresses and names of their own, joined by a cable, on this one.

Nothing of them is left when their processes have ended. Only root may make them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOLS = ("ip", "unshare", "nsenter")
NETWORK = "10.97.86"


def obstacle() -> str:
    """Why machines cannot be made here; nothing if they can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{missing[0]} is not installed"
    made = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, text=True)
    return f"namespaces cannot be made here: {made.stderr.strip()}" if made.returncode else ""


class Host:
    """One machine: its name, its address and its processes."""

    def __init__(self, number: int) -> None:
        self.name, self.address, self.device = f"host-{number}", f"{NETWORK}.{number}", f"cable{number}"
        self._holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sleep", "600"])
        self._started: list[subprocess.Popen[str]] = []
        while os.readlink(f"/proc/{self._holder.pid}/ns/uts") == os.readlink("/proc/self/ns/uts"):  # the last it makes
            time.sleep(0.01)

    def enter(self) -> list[str]:
        """What a command begins with that is to run on this machine."""
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", "--uts"]

    def run(self, *command: str) -> None:
        """Run a command there and wait for it."""
        subprocess.run([*self.enter(), *command], check=True)

    def start(self, *command: Any, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command there; torch speaks with others over the cable."""
        started = subprocess.Popen(
            [*self.enter(), *map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": self.device, **(environment or {})},
            cwd="/",  # where nsenter puts them
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(started)
        return started

    def torchrun(
        self, first: "Host", hosts: int, *command: Any, processes: int = 1, **options: Any
    ) -> subprocess.Popen[str]:
        """Start this machine's processes of several; they meet on the first machine."""
        return self.start(
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", hosts, "--nproc-per-node", processes),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{first.name}:29400", "--rdzv-id", "test"),
            *("--rdzv-conf", f"is_host={int(self is first)}", "--local-addr", self.address),
            *command,
            **options,
        )

    def processes(self) -> list[int]:
        """The ids of what runs there, but for the namespaces' own holder."""
        own = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdecimal() and os.readlink(f"/proc/{entry}/ns/net") == own:
                    found.append(int(entry))
            except OSError:  # It has ended.
                continue
        return sorted(set(found) - {self._holder.pid})

    def unplug(self) -> None:
        """Cut the cable, so that nothing more is heard from here, not even an end."""
        self.run("ip", "link", "set", self.device, "down")

    def end(self) -> None:
        """End everything there."""
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for started in self._started:
            started.communicate()
        self._holder.kill()
        self._holder.wait()


@contextmanager
def hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Two machines that know each other by name; `folder` is for the file of their names."""
    both = Host(1), Host(2)
    try:
        names = folder / "hosts"
        # Without their names each connection waits for ten seconds for an answer of the DNS.
        known = [f"{prefix}{host.address} {host.name}\n" for host in both for prefix in ("", "::ffff:")]
        names.write_text("".join(["127.0.0.1 localhost\n", *known]), encoding="utf-8")
        ends = [["netns", str(host._holder.pid)] for host in both]
        subprocess.run(
            ["ip", "link", "add", both[0].device, *ends[0], "type", "veth", "peer", "name", both[1].device, *ends[1]],
            check=True,
        )
        for host in both:
            host.run("mount", "--bind", str(names), "/etc/hosts")
            host.run("sh", "-c", f"echo {host.name} > /proc/sys/kernel/hostname")
            host.run("ip", "address", "add", f"{host.address}/24", "dev", host.device)
            for device in ("lo", host.device):
                host.run("ip", "link", "set", device, "up")
        yield both
    finally:
        for host in both:
            host.end()
