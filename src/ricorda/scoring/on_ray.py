"""The same parts on a Ray cluster: each actor opens the model once, and makes parts of the files.

Model, files and the folder of parts must be readable under the same names on all nodes. A Parquet file is shared out
part by part, any other file as a whole.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ricorda import __version__
from ricorda.data.source import extension, is_remote
from ricorda.errors import ArgumentError, RicordaError
from ricorda.scoring.files import count_of
from ricorda.scoring.manifest import is_done, sweep
from ricorda.scoring.parts import Job, Slice, Told, prepare

_SECONDS = 5.0
"""How long a cluster may take to answer at its address."""


class OnlyPart(Slice):
    """The share of one chunk."""

    def has(self, file: int, chunk: int) -> bool:
        """Whether it is this chunk; `index` holds its number."""
        return chunk == self.index


class Worker:
    """An actor: makes the parts that it is given, with as many threads as it has processors."""

    def __init__(self, job: Job, out: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._job, self._out = job, Path(out)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Make parts, and answer the rows of each, or the sentence of a mistake."""
        rows, mistakes = [], []
        for file, chunk in zip(batch["file"].tolist(), batch["chunk"].tolist(), strict=True):
            done: list[int] = []
            mistake = ""
            try:
                share = Slice() if chunk < 0 else OnlyPart(chunk, 0)
                self._job.make(self._out, file, share, done.append)
            except RicordaError as error:
                mistake = str(error)
            rows.append(sum(done))
            mistakes.append(mistake)
        return {"rows": rows, "mistake": mistakes}


def score_on_ray(job: Job, out: Path, address: str, told: Told, *, processors: int = 1) -> None:
    """Score all files into parts on a cluster; a later call, there or here, goes on.

    Parameters
    ----------
    address : str
        "HOST:PORT", "auto", "local" or "ray://HOST:PORT".
    processors : int
        Of an actor, and so the threads that it uses.

    Raises
    ------
    ArgumentError
        If the cluster is unreachable, or a node lacks ricorda or has another version.
    """
    out = Path(os.path.abspath(out))
    files = [file if is_remote(file) else os.path.abspath(file) for file in job.files]
    prepare(job, out)
    sweep(out)
    with _connected(address) as ray:
        _check_nodes(ray)
        items = list(_items(job, out, told))
        if not items:
            return
        actors = max(1, min(len(items), int(ray.cluster_resources().get("CPU", 1)) // processors - 1))
        scored = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Worker,
            fn_constructor_args=(replace(job, files=files), str(out), processors),
            batch_size=1,
            num_cpus=processors,
            compute=ray.data.ActorPoolStrategy(size=actors),
        )
        for row in scored.iter_rows():
            if row["mistake"]:
                raise RicordaError(row["mistake"])
            told(int(row["rows"]))


def _items(job: Job, out: Path, told: Told) -> Iterator[dict[str, int]]:
    """The work that is left: a chunk of a Parquet file, or (chunk -1) a whole file of another kind."""
    for number, file in enumerate(job.files):
        if extension(file) != ".parquet":
            yield {"file": number, "chunk": -1}
            continue
        count = count_of([file]) or 0
        for chunk, first in enumerate(range(0, count, job.rows)):
            if is_done(job.part(out, number, chunk)):
                told(min(job.rows, count - first))
            else:
                yield {"file": number, "chunk": chunk}


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        import ray
        import ray.data
    except ImportError:
        raise ArgumentError("Ray is not installed: run `pip install 'ricorda[ray]'`") from None
    _refuse_unreachable(address)
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise ArgumentError(
            f"--ray {address} is no cluster that answers ({type(error).__name__}): start one with ray start --head, "
            "and give its address"
        ) from None
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # Ray Data sets its own loggers anew for each of its runs, and tells much.
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        logging.disable(before)
        ray.shutdown()


def _refuse_unreachable(address: str) -> None:
    """Ask the address first: Ray itself would wait for minutes."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65_536):
        raise ArgumentError(f"--ray is {address!r}: give HOST:PORT, auto, local or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _SECONDS).close()
    except OSError as error:
        raise ArgumentError(
            f"--ray {address} does not answer ({error.strerror or error}): check the address, and that "
            "`ray start --head` runs there"
        ) from None


def _check_nodes(ray: Any) -> None:
    """See that each node has this version of ricorda."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def version() -> str:  # Within a function, so that Ray sends its code and does not import it from ricorda.
        try:
            from ricorda import __version__ as found
        except ImportError:
            return ""
        return found

    asked = ray.remote(num_cpus=0)(version)
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            found = ray.get(asked.options(scheduling_strategy=place).remote(), timeout=60)
            if found != __version__:
                has = f"has ricorda {found}" if found else "lacks ricorda"
                raise ArgumentError(
                    f"the node {node['NodeManagerAddress']} {has}, and {__version__} is needed: install it there"
                )
