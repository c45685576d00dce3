"""The translator's network against a plain twin in torch, and what padding and chunks must not change."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ricorda.catalogue import find_cell
from ricorda.tasks.translate import attention
from ricorda.tasks.translate.examples import Encoded
from ricorda.tasks.translate.network import BOUNDARY, EncoderDecoder, Sizes
from ricorda.tasks.translate.objective import TranslationTask

TORCH = {"lstm": nn.LSTM, "gru_reset_after": nn.GRU}


def network(cell: str = "lstm", dropout: float = 0.0, **changes: Any) -> EncoderDecoder:
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "source_vocabulary": 9,
        "target_vocabulary": 8,
        "embedding": 5,
        "hidden": 6,
        "layers": 1,
        "bidirectional": True,
        "attention": "multiplicative",
        "input_feeding": False,
        "tied": True,
        "shared": False,
        **changes,
    }
    return EncoderDecoder(find_cell(cell).program, Sizes(**sizes), dropout=dropout).double()


def pairs(count: int = 6, seed: int = 0) -> Encoded:
    generator = torch.Generator().manual_seed(seed)

    def side(vocabulary: int) -> list[Tensor]:
        lengths = torch.randint(1, 7, [count], generator=generator).tolist()
        return [torch.randint(1, vocabulary, [length], generator=generator) for length in lengths]

    return Encoded(side(9), side(8))


def twin(ours: EncoderDecoder, cell: str) -> tuple[Any, Any]:
    """torch's own layers with the weights of ours; the parameters are the same objects."""
    twins = []
    for layer in (ours.encoder, ours.decoder):
        made = TORCH[cell](
            layer.input_size, layer.hidden_size, layer.num_layers, bidirectional=layer.bidirectional
        ).double()
        for name, _ in list(made.named_parameters()):
            setattr(made, name, getattr(layer, name))
        twins.append(made)
    return twins[0], twins[1]


def twin_loss(ours: EncoderDecoder, cell: str, batch: Encoded, smoothing: float) -> tuple[Tensor, int]:
    """The loss as the papers' equations say it, a target step after the other and a sentence after the other."""
    encoder, decoder = twin(ours, cell)
    lengths = torch.tensor([len(each) for each in batch.sources])
    embedded = ours.source_embedding(pad_sequence(list(batch.sources)))
    packed, finals = encoder(pack_padded_sequence(embedded, lengths, enforce_sorted=False))
    memory, _ = pad_packed_sequence(packed)
    finals = finals if isinstance(finals, tuple) else (finals,)
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for row, target in enumerate(batch.targets):
        values = memory[: lengths[row], row]  # [S, 2H]
        state = []
        layers = decoder.num_layers
        for number, final in enumerate(finals):
            levels = final[:, row].reshape(layers, -1)
            bridges = ours.bridges[number * layers : (number + 1) * layers]
            ends = torch.stack([bridge(level) for bridge, level in zip(bridges, levels, strict=True)]).unsqueeze(1)
            state.append(ends.tanh() if number == 0 else ends)
        fed = torch.zeros(ours.combine.out_features, dtype=torch.float64)
        for last, now in zip([BOUNDARY, *target.tolist()], [*target.tolist(), BOUNDARY], strict=True):
            x = ours.target_embedding.weight[last]
            x = torch.cat([x, fed]) if ours.sizes.input_feeding else x
            y, after = decoder(x.reshape(1, 1, -1), tuple(state) if len(state) > 1 else state[0])
            state = list(after) if isinstance(after, tuple) else [after]
            query = y.flatten()
            vector = query
            if ours.attention is not None:
                keys = values @ ours.attention.key.weight.t()
                if ours.attention.form == "additive":
                    scores = (ours.attention.query(query) + keys).tanh() @ ours.attention.score
                else:
                    scores = keys @ query
                vector = torch.cat([scores.softmax(0) @ values, query])
            fed = ours.combine(vector).tanh()
            said = ours.output(fed).log_softmax(0)
            total = total - (1 - smoothing) * said[now] - smoothing * said.mean()
            tokens += 1
    return total, tokens


@pytest.mark.parametrize(
    ("cell", "changes"),
    [
        ("lstm", {}),
        ("gru_reset_after", {"attention": "additive", "layers": 2}),
        ("lstm", {"attention": None, "layers": 2, "bidirectional": False}),
        ("lstm", {"attention": "additive", "input_feeding": True, "tied": False}),
        ("gru_reset_after", {"input_feeding": True, "layers": 2}),
        ("gru_reset_after", {"attention": None, "input_feeding": True, "tied": False}),
        ("lstm", {"shared": True, "source_vocabulary": 9, "target_vocabulary": 9}),
    ],
)
def test_loss_and_gradients_are_those_of_a_plain_twin(cell: str, changes: dict[str, Any]) -> None:
    ours, batch = network(cell, **changes), pairs()
    loss, weight = TranslationTask(ours, batch, batch.take(np.arange(0)), 0.2).loss(np.arange(6))
    loss.backward()
    found = {name: parameter.grad for name, parameter in ours.named_parameters()}
    ours.zero_grad(set_to_none=True)
    expected, tokens = twin_loss(ours, cell, batch, 0.2)
    expected.backward()
    assert int(weight) == tokens
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    for name, parameter in ours.named_parameters():
        gradient = found[name]
        assert gradient is not None
        assert parameter.grad is not None, name
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.parametrize("form", ["multiplicative", "additive", None])
def test_a_pair_has_the_same_loss_alone_and_among_others(form: str | None) -> None:
    task = TranslationTask(network(attention=form).eval(), pairs(), pairs(), 0.1)
    together, tokens = task.loss(np.arange(6))
    alone = [task.loss(np.array([row])) for row in range(6)]
    assert together.item() == pytest.approx(sum(loss.item() for loss, _ in alone), rel=1e-10)
    assert tokens.item() == sum(weight.item() for _, weight in alone)


def test_additive_scores_in_parts_are_the_same_and_so_are_their_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, batch = network(attention="additive"), pairs()
    task = TranslationTask(ours, batch, batch, 0.1)

    def gradients() -> list[Tensor]:
        ours.zero_grad(set_to_none=True)
        task.loss(np.arange(6))[0].backward()
        return [parameter.grad.clone() for parameter in ours.parameters() if parameter.grad is not None]

    whole = gradients()
    monkeypatch.setattr(attention, "AT_ONCE", 2 * 6 * 6 * 6)  # two target steps at once
    for one, other in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("input_feeding", [True, False])
def test_steps_say_what_the_pass_over_all_steps_says(input_feeding: bool) -> None:
    ours = network("gru", layers=2, input_feeding=input_feeding).eval()
    source, target = torch.tensor([3, 4, 5]), torch.tensor([2, 7, 5])
    with torch.no_grad():
        started = ours.start(source.unsqueeze(1), torch.tensor([3]))
        inputs = torch.tensor([[BOUNDARY, *target.tolist()]]).t()
        features, weights = ours.teach(started, inputs, torch.tensor([4]))
        expected = ours.output(features)
        for step, token in enumerate(inputs[:, 0]):
            scores, started, weight = ours.step(token.reshape(1), started)
            assert scores[0, 1] == -math.inf
            torch.testing.assert_close(scores[0, 2:], expected[step, 2:], rtol=1e-10, atol=1e-12)
            assert weight is not None
            assert weights is not None
            torch.testing.assert_close(weight[0, 0], weights[0, step], rtol=1e-10, atol=1e-12)


def test_attention_is_a_mean_of_the_source_that_looks_at_no_padding() -> None:
    ours, batch = network(attention="additive"), pairs(4)
    lengths = torch.tensor([len(each) for each in batch.sources])
    started = ours.start(pad_sequence(list(batch.sources)), lengths)
    _, weights = ours.teach(started, torch.randint(0, 8, [3, 4]), torch.tensor([3, 3, 3, 3]))
    assert weights is not None
    torch.testing.assert_close(weights.sum(2), torch.ones(4, 3, dtype=torch.float64))
    for row, length in enumerate(lengths.tolist()):
        assert (weights[row, :, length:] == 0).all()


def test_validation_is_the_mean_over_tokens_without_smoothing() -> None:
    ours, batch = network().eval(), pairs()
    with torch.no_grad():
        numbers = TranslationTask(ours, batch, batch, 0.3).validate()
        loss, tokens = twin_loss(ours, "lstm", batch, 0.0)
    assert numbers["validation_loss"] == pytest.approx(loss.item() / tokens, rel=1e-10)
    assert 0 <= numbers["token_accuracy"] <= 1


def test_without_held_out_pairs_nothing_is_scored() -> None:
    assert TranslationTask(network(), pairs(), Encoded([], []), 0.1).validate() == {}


def test_tied_embeddings_are_one_tensor() -> None:
    tied, apart, shared = network(), network(tied=False), network(shared=True, target_vocabulary=9)
    assert tied.output.weight is tied.target_embedding.weight
    assert tied.source_embedding is not tied.target_embedding
    assert apart.output.weight is not apart.target_embedding.weight
    assert shared.source_embedding is shared.target_embedding


def test_a_translation_can_be_learned_by_heart() -> None:
    ours, batch = network(dropout=0.0, hidden=16, embedding=12).float(), pairs(8)
    task = TranslationTask(ours, batch, batch, 0.0)
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        loss, tokens = task.loss(np.arange(8))
        (loss / tokens).backward()
        optimizer.step()
    with torch.no_grad():
        assert task.validate()["token_accuracy"] > 0.99
