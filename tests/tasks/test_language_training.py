"""Truncated BPTT with a carried state: what is computed, and that a run goes on bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_language_models import DROPPING, NOTHING, OPTIONS, VOCABULARY, Pressed, documents, network, stream
from torch import Tensor, nn
from training_tasks import assert_equal, timeless, weights

from ricorda.cells import gru, lstm
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.language.network import Dropouts, NextStep
from ricorda.tasks.language.objective import NextStepTraining
from ricorda.tasks.language.scoring import losses_of
from ricorda.tasks.language.sequences import FRESH, LENGTH, START, Sequences
from ricorda.training import Interrupted, TrainingOptions, train


def task(
    sequences: Sequences | None = None, dropouts: Dropouts = NOTHING, window: int = 7, **sizes: Any
) -> NextStepTraining:
    return NextStepTraining(network(dropouts, **sizes), sequences or stream(), stream(30), window)


# Windows


@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_windows_of_a_stream_cover_each_row_once_and_in_order(steps: int, rows: int, window: int) -> None:
    sequences = stream(steps)
    if steps < rows:
        with pytest.raises(DataError, match=r"too few for .* parallel rows"):
            sequences.windows(rows, window, seed=0, epoch=0)
        return
    batches = sequences.windows(rows, window, seed=0, epoch=0)
    each = steps // rows
    for row in range(rows):
        read = [list(range(part[row, START], part[row, START] + part[row, LENGTH])) for part in batches]
        assert [step for steps in read for step in steps] == list(range(row * each, row * each + each))
    assert [bool(part[0, FRESH]) for part in batches] == [True] + [False] * (len(batches) - 1)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 12))
@settings(deadline=None, max_examples=50)
def test_windows_of_documents_cover_each_once_and_in_order(lengths: list[int], rows: int, window: int) -> None:
    sequences = documents(*lengths)
    counts = set()
    for epoch in range(3):
        batches = sequences.windows(rows, window, seed=0, epoch=epoch)
        counts.add(len(batches))
        read: dict[int, list[int]] = {index: [] for index in range(len(lengths))}
        for part in batches:
            for start, length, sequence, fresh in part:
                assert fresh == (not read[sequence])
                read[sequence] += range(start, start + length)
        starts = sequences.starts
        assert read == {k: list(range(starts[k], starts[k] + n)) for k, n in enumerate(lengths)}
    assert len(counts) == 1  # as many steps in every epoch


# Against a plain torch twin


class Twin(nn.Module):
    """The same model in torch's own parts."""

    def __init__(self, model: NextStep) -> None:
        super().__init__()
        sizes = model.sizes
        self.embedding = nn.Embedding(VOCABULARY, sizes.embedding)
        self.lstm = nn.LSTM(sizes.embedding, sizes.hidden, sizes.layers)
        self.head = nn.Linear(sizes.hidden, VOCABULARY)
        self.embedding.load_state_dict(model.embedding.state_dict())
        self.lstm.load_state_dict(model.recurrent.state_dict())
        self.head.load_state_dict(model.output.linear.state_dict())  # type: ignore[union-attr]

    def forward(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        y, state = self.lstm(self.embedding(ids), state)
        return self.head(y), state


def test_losses_gradients_and_carried_states_are_those_of_plain_torch() -> None:
    ours = task(window=10)
    twin = Twin(ours.module)
    ids = ours.training.steps.long()
    state = None
    for part in ours.batches(4, seed=0, epoch=0):
        ours.module.zero_grad()
        twin.zero_grad()
        total, weight = ours.loss(part)
        total.backward()
        index = torch.from_numpy(part[:, START].copy()) + torch.arange(part[0, LENGTH])[:, None]
        scores, state = twin(ids[index], state)
        state = tuple(each.detach() for each in state)
        loss = F.cross_entropy(scores.flatten(0, 1), ids[index + 1].flatten(), reduction="sum")
        loss.backward()
        assert weight == index.numel()
        torch.testing.assert_close(total, loss)
        torch.testing.assert_close(tuple(ours.tensors().values()), state)
        pairs = [
            (ours.module.embedding, twin.embedding),
            (ours.module.recurrent, twin.lstm),
            (ours.module.output.linear, twin.head),
        ]
        for mine, theirs in pairs:
            expected = dict(theirs.named_parameters())
            for name, value in mine.named_parameters():  # type: ignore[union-attr]
                torch.testing.assert_close(value.grad, expected[name].grad, msg=lambda text, name=name: name + text)


def test_truncated_windows_leave_the_states_and_losses_of_the_whole() -> None:
    whole, cut = task(window=1000), task(window=7)
    (everything,) = whole.batches(3, seed=0, epoch=0)
    total = whole.loss(everything)[0].detach()
    parts = sum(cut.loss(part)[0].detach() for part in cut.batches(3, seed=0, epoch=0))
    torch.testing.assert_close(parts, total)
    for name, value in whole.tensors().items():
        torch.testing.assert_close(cut.tensors()[name], value)


def test_documents_are_apart_whatever_they_are_batched_with() -> None:
    sequences = documents(3, 19, 8, 8, 1, 30)
    together = task(sequences, window=5)
    total = sum(together.loss(part)[0].item() for part in together.batches(4, seed=0, epoch=0))
    alone = sum(float(part.sum()) for part in losses_of(together.module, sequences))
    assert total == pytest.approx(alone, rel=1e-5)


def test_a_condition_reaches_only_its_own_document_and_learns() -> None:
    condition = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    sequences = documents(6, 6, 6, 6, condition=condition)
    one = task(sequences, condition=3)
    before = [float(part.sum()) for part in losses_of(one.module, sequences)]
    changed = replace(sequences, condition=condition + torch.tensor([[1.0], [0.0], [0.0], [0.0]]))
    after = [float(part.sum()) for part in losses_of(one.module, changed)]
    assert before[0] != after[0]
    assert before[1:] == after[1:]
    total, _ = one.loss(one.batches(4, seed=0, epoch=0)[0])
    total.backward()
    assert one.module.opening.weight.grad is not None
    assert one.module.opening.weight.grad.abs().sum() > 0


# Validation


@pytest.mark.parametrize("cell", [lstm, gru])
def test_a_quick_reading_of_a_long_stream_is_near_the_carried_one(cell: Any) -> None:
    model = network(cell=cell)
    sequences = stream(20_000)
    carried = torch.cat(list(losses_of(model, sequences)))
    quick = torch.cat(list(losses_of(model, sequences, quick=True)))
    assert len(quick) == len(carried) == 20_000
    torch.testing.assert_close(quick.sort().values, carried.sort().values, atol=1e-4, rtol=1e-4)


def test_a_quick_reading_of_documents_is_the_same() -> None:
    model, sequences = network(), documents(*range(1, 40))
    apart, together = losses_of(model, sequences), losses_of(model, sequences, quick=True)
    torch.testing.assert_close(torch.cat(list(together)).sum(), torch.cat(list(apart)).sum())


def test_validation_says_nats_perplexity_and_bits_of_each_character() -> None:
    one = NextStepTraining(network(), stream(), stream(30), 7, characters=60)
    one.module.eval()
    found = one.validate()
    ids = one.held_out.steps.long()  # type: ignore[union-attr]
    with torch.no_grad():
        scores, _ = Twin(one.module)(ids[:-1, None], None)
        nats = float(F.cross_entropy(scores[:, 0], ids[1:]))
    assert found["validation_loss"] == pytest.approx(nats, rel=1e-5)
    assert found["score"] == -found["validation_loss"]
    assert found["perplexity"] == pytest.approx(np.exp(nats), rel=1e-5)
    assert found["bits_per_character"] == pytest.approx(30 * nats / np.log(2) / 60, rel=1e-5)


# Going on


@pytest.mark.parametrize("cell", [lstm, gru])
@pytest.mark.parametrize("kind", ["stream", "documents"])
def test_a_run_stopped_in_the_middle_of_an_epoch_goes_on_bit_for_bit(tmp_path: Path, cell: Any, kind: str) -> None:
    sequences = stream() if kind == "stream" else documents(3, 19, 8, 8, 1, 30)

    def fresh() -> Pressed:
        return Pressed(network(DROPPING, cell), sequences, stream(30), 7)

    whole = fresh()
    history = train(whole, OPTIONS)
    stopped = fresh()
    stopped.press = 6  # the third window of the second epoch
    with pytest.raises(Interrupted):
        train(stopped, OPTIONS, folder=tmp_path)
    assert stopped.tensors()
    resumed = fresh()
    assert timeless(train(resumed, OPTIONS, folder=tmp_path, resume=True)) == timeless(history)
    assert_equal(weights(whole), weights(resumed))


def test_without_the_carried_state_it_would_not_go_on_bit_for_bit(tmp_path: Path) -> None:
    class Forgetful(Pressed):
        def restore(self, tensors: Any) -> None:
            pass

    whole = Forgetful(network(), stream(), None, 7)
    train(whole, OPTIONS)
    stopped = Forgetful(network(), stream(), None, 7)
    stopped.press = 6
    with pytest.raises(Interrupted):
        train(stopped, OPTIONS, folder=tmp_path)
    resumed = Forgetful(network(), stream(), None, 7)
    train(resumed, OPTIONS, folder=tmp_path, resume=True)
    assert not torch.equal(weights(whole)["embedding.weight"], weights(resumed)["embedding.weight"])


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ({}, {}),
        ({}, {"optimizer": "sgd", "learning_rate": 10.0}),
        ({}, {"schedule": "cosine", "precision": "bf16"}),
        ({"embedding": 16, "tied": True}, {"precision": "bf16"}),
        ({"tied": True}, {}),
        ({"adaptive": True}, {}),
    ],
)
def test_every_output_and_optimiser_learns(sizes: dict[str, Any], options: dict[str, Any]) -> None:
    ids = np.tile(np.arange(10, dtype=np.int32), 60)
    counting = Sequences.of([ids], stream=True)
    learning = NextStepTraining(network(hidden=16, layers=1, **sizes), counting, counting, 10)
    options = {"learning_rate": 0.03, **options}
    history = train(learning, TrainingOptions(epochs=20, batch_size=4, device="cpu", **options))
    assert history[-1]["validation_loss"] < 0.5


def test_schedules_and_choices() -> None:
    rates = {
        schedule: [
            TrainingOptions(schedule=schedule, warmup=0.2, learning_rate=1.0).learning_rate_at(step, 10)
            for step in (0, 1, 2, 6, 9)
        ]
        for schedule in ("linear", "cosine", "constant")
    }
    assert rates["linear"] == pytest.approx([0.5, 1, 1, 0.5, 0.125])
    assert rates["cosine"] == pytest.approx([0.5, 1, 1, 0.5, (1 - np.cos(np.pi / 8)) / 2])
    assert rates["constant"] == [0.5, 1, 1, 1, 1]
    for name in ("schedule", "optimizer", "precision"):
        with pytest.raises(ArgumentError, match=f"{name} is 'other': choose one of"):
            TrainingOptions(**{name: "other"})  # type: ignore[arg-type]
