"""The network of a classifier, its loss, and the probabilities that come of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.cells import gru, lstm, rnn
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import split_by_class
from ricorda.data.tokenization import PADDING, UNKNOWN
from ricorda.errors import ArgumentError, CellError
from ricorda.program.cell import Cell
from ricorda.tasks.cells import as_program
from ricorda.tasks.classify.examples import class_weights
from ricorda.tasks.classify.objective import Classification, probabilities
from ricorda.tasks.encoding import collate
from ricorda.tasks.many_to_one.examples import Examples
from ricorda.tasks.many_to_one.network import ManyToOne, Sizes
from ricorda.tasks.parameters import POOLINGS

EPS = torch.finfo(torch.float32).eps


def network(cell: Cell = lstm, pooling: str = "max", *, features: int = 0, dropout: float = 0.0) -> ManyToOne:
    torch.manual_seed(0)
    sizes = Sizes(3, 5, 2, True, pooling, *((0, 0, features) if features else (20, 6)))
    return ManyToOne(cell.program, sizes, dropout=dropout)


def sentences(count: int = 12) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 30, (count,), generator=random).tolist()
    return [torch.randint(2, 20, (length,), generator=random) for length in lengths]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", [rnn, lstm, gru], ids=lambda cell: cell.name)
def test_a_row_depends_neither_on_its_padding_nor_on_the_rows_beside_it(cell: Cell, pooling: str) -> None:
    module, rows = network(cell, pooling).eval().double(), sentences()
    together = module(*collate(rows, "cpu"))
    alone = torch.cat([module(*collate([row], "cpu")) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_the_last_states_are_those_of_the_last_layer_each_direction_at_its_own_end() -> None:
    module, rows = network(pooling="last").eval(), sentences()
    pooled: list[Tensor] = []
    outputs: list[Tensor] = []
    module.pooling.register_forward_hook(lambda _module, _inputs, result: pooled.append(result))
    module.recurrent.register_forward_hook(lambda _module, _inputs, result: outputs.append(result[0]))
    module(*collate(rows, "cpu"))
    for row, sequence in enumerate(rows):
        ends = torch.cat([outputs[0][len(sequence) - 1, row, :5], outputs[0][0, row, 5:]])
        assert torch.equal(pooled[0][row], ends)


def test_numbers_are_standardised_by_their_mean_and_deviation() -> None:
    module = network(features=3)
    random = torch.Generator().manual_seed(2)
    rows = [torch.randn(length, 3, generator=random) * torch.tensor([1.0, 50.0, 0.0]) + 7.1 for length in (4, 9, 2)]
    module.standardise(rows)
    steps = torch.cat(rows).double().numpy()
    np.testing.assert_allclose(module.mean.numpy(), steps.mean(0), rtol=EPS)
    np.testing.assert_allclose(module.scale.numpy()[:2], steps.std(0)[:2], rtol=EPS)


def test_a_constant_feature_keeps_its_scale() -> None:
    module = network(features=1)
    module.standardise([torch.full((1000, 1), 0.1), torch.full((77, 1), 0.1)])
    assert module.scale.tolist() == [1.0]


def test_word_dropout_makes_tokens_unknown_while_training_and_padding_never() -> None:
    module = ManyToOne(lstm.program, Sizes(2, 5, 1, False, "max", 20, 6), dropout=0.0, word_dropout=0.5)
    seen: list[Tensor] = []
    module.embedding.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].clone()))
    rows = [torch.full((400,), 7), torch.full((3,), 7)]
    inputs, lengths = collate(rows, "cpu")
    module.train()(inputs, lengths)
    module.eval()(inputs, lengths)
    assert (seen[0][:, 0] == UNKNOWN).sum() > 100
    assert set(seen[0][:, 0].tolist()) == {7, UNKNOWN}
    assert (seen[0][3:, 1] == PADDING).all()
    assert torch.equal(seen[1], inputs)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 3.0, 1.25])])
def test_the_loss_is_torchs_weighted_cross_entropy(weights: np.ndarray | None) -> None:
    module, rows = network(), sentences()
    examples = Examples(rows, np.arange(12) % 3)
    task = Classification(module, examples, examples.take(np.arange(0)), "accuracy", weights)
    chosen = np.array([3, 4, 8, 1])
    total, weight = task.loss(chosen)
    scores = module(*collate([rows[row] for row in chosen], "cpu"))
    targets = torch.from_numpy(chosen % 3)
    wanted = F.cross_entropy(scores, targets, None if weights is None else torch.tensor(weights, dtype=torch.float32))
    torch.testing.assert_close(total / weight, wanted, rtol=4 * EPS, atol=0)
    assert float(weight) == pytest.approx(4 if weights is None else weights[chosen % 3].sum())
    assert task.validate() == {}


def test_probabilities_are_softmax_in_the_order_given_and_batches_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.tasks.encoding.STEPS_AT_ONCE", 60)
    module, rows = network(dropout=0.5), sentences(40)
    sizes: list[int] = []
    module.recurrent.register_forward_hook(lambda _module, inputs, _output: sizes.append(inputs[0][..., 0].numel()))
    module.train()
    result = probabilities(module, rows)
    assert module.training
    assert len(sizes) > 5
    assert max(sizes) <= 60
    module.eval()
    for row, sequence in enumerate(rows):
        wanted = module(*collate([sequence], "cpu")).double().softmax(1)
        np.testing.assert_allclose(result[row], wanted[0].detach().numpy(), rtol=100 * EPS)
    assert np.array_equal(result, probabilities(module, rows))
    assert not module.training


def test_a_fingerprint_changes_with_each_number_label_and_boundary() -> None:
    rows, targets = sentences(4), np.array([0, 1, 0, 1])
    joined = [torch.cat(rows[:2]), *rows[2:], rows[0][:0]]
    changed = [rows[0].clone(), *rows[1:]]
    changed[0][0] += 1
    variants = [(rows, targets), (rows, 1 - targets), (changed, targets), (joined, targets), (rows[::-1], targets)]
    assert len({fingerprint(*Examples(*variant).parts()) for variant in variants}) == 5
    examples = Examples(rows, targets)
    assert fingerprint(*examples.parts()) == fingerprint(*Examples([row.clone() for row in rows], targets).parts())
    assert fingerprint(*examples.parts()) != fingerprint(*examples.parts(), *examples.parts())


# The split


@pytest.mark.parametrize("counts", [[50, 50], [90, 10], [5, 3, 92], [30, 1], [2, 2, 2, 2, 2, 40]])
@pytest.mark.parametrize("seed", range(3))
def test_each_class_is_trained_on_and_the_parts_are_all_the_rows(counts: list[int], seed: int) -> None:
    targets = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    training, held_out = split_by_class(targets, 0.2, seed)
    assert sorted([*training, *held_out]) == list(range(len(targets)))
    assert len(held_out) == max(1, round(0.2 * len(targets)))
    assert set(targets[training]) == set(range(len(counts)))
    again = split_by_class(targets, 0.2, seed)
    assert np.array_equal(training, again[0])


def test_the_split_keeps_the_classes_shares_and_differs_by_seed() -> None:
    targets = np.repeat([0, 1], [80, 20])
    assert np.bincount(targets[split_by_class(targets, 0.1, 0)[1]]).tolist() == [8, 2]
    assert not np.array_equal(split_by_class(targets, 0.1, 0)[1], split_by_class(targets, 0.1, 1)[1])
    assert [len(part) for part in split_by_class(targets, 0.0, 0)] == [100, 0]


@pytest.mark.parametrize(("counts", "fraction"), [([1, 1], 0.1), ([2, 2], 0.9), ([50, 50], 0.999)])
def test_a_split_that_leaves_a_class_without_examples_is_refused(counts: list[int], fraction: float) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    with pytest.raises(ArgumentError, match=f"^validation_fraction={fraction} of .* classes leaves too few"):
        split_by_class(targets, fraction, 0)


# Class weights


def test_balanced_weights_are_inverse_to_the_classes_examples() -> None:
    weights = class_weights("balanced", np.array([6, 3, 1]), np.array(["a", "b", "c"]))
    assert weights is not None
    np.testing.assert_allclose(weights, [10 / (3 * 6), 10 / (3 * 3), 10 / 3])


def test_given_weights_are_taken_and_others_are_one() -> None:
    weights = class_weights({"c": 5, "a": 0.5}, np.array([1, 1, 1]), np.array(["a", "b", "c"]))
    assert weights is not None
    assert weights.tolist() == [0.5, 1.0, 5.0]
    assert class_weights(None, np.array([1, 1]), np.array(["a", "b"])) is None
    with pytest.raises(ArgumentError, match="class_weight has a weight for 'd', which is no label of y: use 'a', 'b'"):
        class_weights({"d": 1.0}, np.array([1, 1]), np.array(["a", "b"]))


# Cells


def test_a_cell_is_given_by_name_file_function_cell_or_program(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from ricorda import affine, cell, tanh\n\n\n@cell\ndef mine(x, h):\n    return tanh(affine('h', h, x))\n",
        encoding="utf-8",
    )
    wanted = as_program(f"{file}:mine")
    assert wanted.name == "mine"
    assert as_program(wanted) is wanted
    assert as_program("rnn") == as_program(rnn) == as_program(rnn.function) == rnn.program
    with pytest.raises(ArgumentError, match=r"there is no cell 'lstn': did you mean 'lstm'\?"):
        as_program("lstn")
    with pytest.raises(CellError, match="a cell is a function"):
        as_program(5)  # type: ignore[arg-type]
