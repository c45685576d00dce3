"""`ricorda serve` under load, beside a plain FastAPI handler that calls torch.nn.

    python benchmarks/serving.py              # all measures
    python benchmarks/serving.py --quick      # whether it runs
    python benchmarks/serving.py --soak 200000

Servers run in processes of their own on one core each, if the system can bind them, and clients in others. A quiet
machine is needed: ratios within a run are steadier than the figures themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, HIDDEN = 8, 64


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few requests")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="so many requests, and nothing else")
    parser.add_argument("--only", default="", help="measures whose name holds this: stream, idle, batch, overhead")
    options = parser.parse_args()
    _say_where()
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder), quick=options.quick)
        if options.soak:
            soak(models, options.soak)
            return
        measures = {"stream": streams, "idle": idle, "batch": batches, "overhead": overhead}
        for name, measure in measures.items():
            if options.only in name:
                measure(models, quick=options.quick)


def _say_where() -> None:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "fastapi", "uvicorn", "websockets", "uvloop")
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.platform()}, {_processor()}, {os.cpu_count()} cores, load {load}")
    print(f"Python {platform.python_version()}, {versions}\n")


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def _models(folder: Path, *, quick: bool) -> dict[str, str]:
    """An LSTM 64 that reads numbers and takes steps, and one that reads texts."""
    from ricorda import SequenceClassifier, SequenceRegressor

    random = np.random.default_rng(0)
    how: dict[str, Any] = {"hidden_size": HIDDEN, "epochs": 1, "random_state": 0, "device": "cpu"}
    walks = [random.normal(size=(20, FEATURES)) for _ in range(64)]
    numbers = SequenceRegressor(**how, bidirectional=False).fit(walks, [float(walk.sum()) for walk in walks])
    words = [f"word{number}" for number in range(500)]
    texts = [" ".join(random.choice(words, size=40)) for _ in range(200)]
    text = SequenceClassifier(**how, tokenizer="word", wide=False).fit(texts, [str(n % 2) for n in range(200)])
    numbers.save(folder / "numbers")
    text.save(folder / "text")
    return {"numbers": str(folder / "numbers"), "text": str(folder / "text")}


# servers


@contextlib.contextmanager
def serving(*command: str, core: int = 0) -> Iterator[tuple[str, int]]:
    """A server in a process of its own, bound to one core: its address and process id."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log, open(log.name, "w", encoding="utf-8") as writing:
        process = subprocess.Popen([sys.executable, *command], stdout=writing, stderr=writing, env=environment)
        try:
            end = time.monotonic() + 120
            while "http://" not in (said := Path(log.name).read_text(encoding="utf-8")):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"the server did not start:\n{said}")
                time.sleep(0.05)
            if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
                for thread in os.listdir(f"/proc/{process.pid}/task"):
                    os.sched_setaffinity(int(thread), {core})
            yield said.split("http://")[1].split()[0], process.pid
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def ours(models: dict[str, str], *options: str) -> Any:
    """`ricorda serve` with these models."""
    names = [f"{name}={folder}" for name, folder in models.items()]
    return serving("-m", "ricorda", "serve", *names, "--port", "0", "--max-sessions", "20000", *options)


def peer(*arguments: str) -> Any:
    """The plain handlers, or with "alone" ours whose requests share no batches."""
    return serving(str(Path(__file__).with_name("serving_peer.py")), *arguments)


def _resident(pid: int) -> float:
    """Resident memory of a process, in MB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


# clients


def _in_processes(work: Any, count: int, *arguments: Any) -> list[Any]:
    """The results of `work` in processes of their own, away from the servers' core."""
    with multiprocessing.get_context("spawn").Pool(count, _away) as pool:
        return pool.starmap(work, [arguments] * count)


def _away() -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)))


def stream_client(address: str, connections: int, seconds: float, binary: bool, path: str) -> float:
    """Steps a second over so many connections, each of which waits for its answer."""

    async def run() -> float:
        from websockets.asyncio.client import connect

        step: Any = json.dumps({"step": [0.1] * FEATURES})
        if binary:
            step = np.full(FEATURES, 0.1, "<f4").tobytes()
        count, end = 0, 0.0

        async def one() -> None:
            nonlocal count
            async with connect(f"ws://{address}{path}", compression=None, ping_interval=None) as socket:
                await ready.wait()
                while time.perf_counter() < end:
                    await socket.send(step)
                    await socket.recv()
                    count += 1

        ready = asyncio.Event()
        tasks = [asyncio.create_task(one()) for _ in range(connections)]
        await asyncio.sleep(1.0)
        begin = time.perf_counter()
        end = begin + seconds
        ready.set()
        await asyncio.gather(*tasks)
        return count / (time.perf_counter() - begin)

    return asyncio.run(run())


def streams(models: dict[str, str], *, quick: bool) -> None:
    """Streamed steps a second of an LSTM 64 over 100 connections; asked: 5,000."""
    seconds, connections = (1.0, 10) if quick else (10.0, 100)
    rows = []
    for binary in (False, True):
        with ours({"numbers": models["numbers"]}) as (address, _):
            (rate,) = _in_processes(stream_client, 1, address, connections, seconds, binary, "/stream")
            rows.append((f"ricorda serve, {'bytes' if binary else 'JSON'}", rate))
    with peer() as (address, _):
        (rate,) = _in_processes(stream_client, 1, address, connections, seconds, False, "/stream")
        rows.append(("FastAPI and torch.nn, JSON", rate))
    print(f"Steps a second, LSTM {HIDDEN}, {connections} connections (asked: 5,000)")
    for name, rate in rows:
        print(f"  {name:32} {rate:10,.0f}")
    print()


def idle_client(address: str, connections: int, pid: int) -> float:
    """Memory of the server in MB while so many sessions are open that have taken a step."""

    async def run() -> float:
        from websockets.asyncio.client import connect

        step = json.dumps({"step": [0.1] * FEATURES})
        open_now = []
        for _ in range(connections):
            socket = await connect(f"ws://{address}/stream", compression=None, ping_interval=None)
            await socket.send(step)
            await socket.recv()
            open_now.append(socket)
        memory = _resident(pid)
        await asyncio.gather(*(socket.close() for socket in open_now))
        return memory

    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return asyncio.run(run())


def idle(models: dict[str, str], *, quick: bool) -> None:
    """Memory of 10,000 idle sessions; asked: under 1 GB."""
    connections = 200 if quick else 10_000
    with ours({"numbers": models["numbers"]}) as (address, pid):
        before = _resident(pid)
        (after,) = _in_processes(idle_client, 1, address, connections, pid)
    print(f"Memory with {connections:,} idle sessions (asked for 10,000: under 1,000 MB)")
    each = (after - before) / connections * 1024
    print(f"  {after:,.0f} MB, of which {before:,.0f} MB without any; {each:.1f} kB each\n")


def predict_client(address: str, clients: int, requests: int) -> tuple[float, list[float], int]:
    """Requests a second of several clients, the seconds of each request, and how many had a status of 5xx.

    They write HTTP themselves: a library of clients takes several times as long as the server.
    """
    random = np.random.default_rng(os.getpid())
    times: list[float] = []
    faults = 0

    def request() -> bytes:
        text = " ".join(f"word{n}" for n in random.integers(0, 500, size=random.integers(10, 40)))
        body = json.dumps({"input": text}).encode()
        head = f"POST /predict HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def client(count: int) -> None:
        nonlocal faults
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(count):
            asked = request()
            begin = time.perf_counter()
            writer.write(asked)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            times.append(time.perf_counter() - begin)
            faults += head.split(b" ", 2)[1].startswith(b"5")
        writer.close()

    async def together() -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(client(max(1, requests // clients)) for _ in range(clients)))
        return len(times) / (time.perf_counter() - begin)

    _away()
    return asyncio.run(together()), times, faults


def batches(models: dict[str, str], *, quick: bool) -> None:
    """Predictions that share batches beside those of one at a time, at 64 clients; asked: 2.5 times."""
    clients, requests = (8, 80) if quick else (64, 6_400)
    rates = {}
    servers = {
        "together": ours({"text": models["text"]}),
        "one at a time": peer("alone", models["text"]),
        "FastAPI and torch.nn": peer(),
    }
    for name, server in servers.items():
        with server as (address, _):
            _in_processes(predict_client, 1, address, clients, clients)
            parts = _in_processes(predict_client, 2, address, clients // 2, requests // 2)
            rates[name] = sum(rate for rate, _, _ in parts)
    print(f"Predictions a second, {clients} clients (asked: together 2.5 times one at a time)")
    for name, rate in rates.items():
        print(f"  {name:32} {rate:10,.0f}   {rate / rates['one at a time']:.2f} times")
    print()


def overhead(models: dict[str, str], *, quick: bool) -> None:
    """The 99th percentile of a request's time over the model's own; asked: 3 ms."""
    import ricorda

    requests = 50 if quick else 3_000
    model: Any = ricorda.load(models["text"])
    text = " ".join(f"word{n}" for n in range(25))
    own = []
    for _ in range(requests):
        begin = time.perf_counter()
        list(model.answers([text]))
        own.append(time.perf_counter() - begin)
    with ours({"text": models["text"]}) as (address, _):
        _in_processes(predict_client, 1, address, 1, 20)
        ((_, times, _),) = _in_processes(predict_client, 1, address, 1, requests)
    print("A request's time beside the model's own (asked: 3 ms more at the 99th percentile)")
    for share in (50, 99):
        served, alone = (1000 * float(np.percentile(part, share)) for part in (times, own))
        print(
            f"  {share}th percentile: {served:.2f} ms served, {alone:.2f} ms the model alone: {served - alone:+.2f} ms"
        )
    print()


def soak(models: dict[str, str], requests: int) -> None:
    """So many requests: no 5xx, and memory that does not grow."""
    with ours({"text": models["text"]}) as (address, pid):
        faults, memory, done = 0, [], 0
        part = max(64, requests // 20)
        while done < requests:
            results = _in_processes(predict_client, 2, address, 16, part // 2)
            faults += sum(each[2] for each in results)
            done += sum(len(each[1]) for each in results)
            memory.append(_resident(pid))
            print(f"  {done:>9,} requests, {faults} of status 5xx, {memory[-1]:,.1f} MB", flush=True)
    half = memory[len(memory) // 2 :]
    print(f"\nMemory in the second half: {half[0]:,.1f} MB at its begin, {half[-1]:,.1f} MB at its end")


if __name__ == "__main__":
    main()
