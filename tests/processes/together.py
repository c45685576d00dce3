"""What several processes do together in one start of them, for `test_together.py`, which reads what they leave.

python together.py SCENARIOS: each writes into a folder of its name, below the working folder; a process has no folder
of another.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from small_language_models import OPTIONS, Pressed, network, stream
from training_tasks import Signs, Unequal

from ricorda.errors import RicordaError
from ricorda.training import Interrupted, TrainingOptions, train
from ricorda.training.task import Task

RANK = os.environ.get("RANK", "0")
EXACT = TrainingOptions(epochs=3, batch_size=4, learning_rate=0.05, seed=3)


def run(name: str, task: Task, options: TrainingOptions, *, resume: bool = False) -> None:
    """Train; the history, the weights and what was said are files named after the process."""
    home = Path(f"{name}-{RANK}")
    folder = home if resume or RANK == "0" else Path("nowhere") / RANK
    home.mkdir(exist_ok=True)
    try:
        history = train(task, options, folder=folder, resume=resume)
    except (Interrupted, RicordaError) as error:
        (home / "said").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return
    (home / "history.json").write_text(json.dumps(history), encoding="utf-8")
    safetensors.torch.save_file(dict(task.module.state_dict()), home / "weights.safetensors")


def whole() -> None:
    run("whole", Unequal(), EXACT)


def stopped() -> None:
    """The second process alone is asked to stop, twice."""
    task = Unequal()
    ask = task.loss

    def loss(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        if RANK == "1":
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
        return ask(rows)

    task.loss = loss  # type: ignore[method-assign]
    run("stopped", task, EXACT)


def resumed() -> None:
    run("resumed", Unequal(), EXACT, resume=True)


def resumed_of_one() -> None:
    run("resumed_of_one", Unequal(), TrainingOptions(**{**vars(EXACT), "batch_size": 8}), resume=True)


def states_stopped() -> None:
    task = Pressed(network(), stream(), stream(30), 7)
    task.press = 4
    run("states_stopped", task, OPTIONS)


def states_resumed() -> None:
    run("states_resumed", Pressed(network(), stream(), stream(30), 7), OPTIONS, resume=True)


def other_data() -> None:
    run("other_data", Signs(40 + int(RANK)), TrainingOptions(epochs=1))


def killed() -> None:
    """The second process ends as if by `kill -9`."""
    task = Signs(dropout=0.0)
    task.hook = lambda call: os.kill(os.getpid(), signal.SIGKILL) if RANK == "1" and call == 7 else None
    run("killed", task, TrainingOptions(epochs=3, batch_size=4))


def slow() -> None:
    """Steps that take so long that somebody can pull a cable."""
    task = Signs(dropout=0.0)
    task.hook = lambda call: time.sleep(0.1 if call else 0.0)
    run("slow", task, TrainingOptions(epochs=100, batch_size=4))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for scenario in sys.argv[1:]:
        globals()[scenario]()
