"""Beam search against the enumeration of all translations, and what must not change its results."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ricorda.catalogue import find_cell
from ricorda.tasks.encoding import collate
from ricorda.tasks.translate.beam import Hypothesis, Search, search
from ricorda.tasks.translate.inference import translations
from ricorda.tasks.translate.network import BOUNDARY, EncoderDecoder, Sizes

WORDS = (2, 3, 4)
"""Target tokens beside the boundary, 0, and the unknown, 1, which no translation has."""


def network(
    attention: str | None = "multiplicative", *, input_feeding: bool = False, cell: str = "lstm", seed: int = 0
) -> EncoderDecoder:
    """A tiny one in float64, with weights large enough that translations differ."""
    torch.manual_seed(seed)
    sizes = Sizes(7, 2 + len(WORDS), 3, 4, 2, True, attention, input_feeding, tied=True, shared=False)
    made = EncoderDecoder(find_cell(cell).program, sizes, dropout=0.5).double().eval()
    for weight in made.parameters():
        torch.nn.init.uniform_(weight, -2, 2)
    return made


def sources(count: int = 5, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 6, [count], generator=generator).tolist()
    return [torch.randint(1, 7, [length], generator=generator) for length in lengths]


def all_translations(made: EncoderDecoder, source: Tensor, limit: int, options: Search) -> list[Hypothesis]:
    """Every translation of up to `limit` tokens, from one pass over each, best first."""
    found = []
    for length in range(limit + 1):
        for tokens in itertools.product(WORDS, repeat=length):
            started = made.start(source.unsqueeze(1), torch.tensor([len(source)]))
            inputs = torch.tensor([[BOUNDARY, *tokens]]).t()
            features, weights = made.teach(started, inputs, torch.tensor([length + 1]))
            scores = made.output(features)
            scores[:, 1] = -math.inf
            said = scores.log_softmax(1)[torch.arange(length + 1), torch.tensor([*tokens, BOUNDARY])].sum().item()
            score = said / ((5 + length + 1) / 6) ** options.length_penalty
            if options.coverage_penalty:
                assert weights is not None
                score += options.coverage_penalty * weights[0].sum(0).clamp(max=1).log().sum().item()
            found.append(Hypothesis(tokens, score, said))
    return sorted(found, key=lambda each: -each.score)


@pytest.mark.parametrize(
    ("made", "options"),
    [
        ({}, {"length_penalty": 0.0}),
        ({}, {"length_penalty": 1.0}),
        ({}, {"length_penalty": 0.6, "coverage_penalty": 0.4}),
        ({"attention": "additive", "cell": "gru"}, {"length_penalty": 1.0, "coverage_penalty": 0.2}),
        ({"attention": "additive", "input_feeding": True}, {"length_penalty": 1.0}),
        ({"attention": None, "cell": "rnn"}, {"length_penalty": 1.0}),
    ],
)
@torch.no_grad()
def test_a_beam_as_wide_as_all_translations_finds_the_best_of_them(made: Any, options: Any) -> None:
    limit = 3
    wide = Search(beam_size=1 + 3 + 9 + 27, **options)
    for seed in range(4):
        net, texts = network(seed=seed, **made), sources(seed=seed)
        inputs, lengths = collate(texts, "cpu")
        found = search(net, net.start(inputs, lengths), [limit] * len(texts), wide)
        for source, best in zip(texts, found, strict=True):
            expected = all_translations(net, source, limit, wide)
            assert [each.tokens for each in best] == [each.tokens for each in expected]
            for one, other in zip(best, expected, strict=True):
                assert one.score == pytest.approx(other.score, rel=1e-9)
                assert one.log_probability == pytest.approx(other.log_probability, rel=1e-9)


@torch.no_grad()
def test_a_beam_of_one_says_the_most_probable_token_at_each_step() -> None:
    for seed in range(5):
        net, texts = network(seed=seed), sources(seed=seed)
        for source, (best, *rest) in zip(texts, translations(net, texts, Search(beam_size=1)), strict=True):
            started = net.start(source.unsqueeze(1), torch.tensor([len(source)]))
            said: list[int] = []
            token = BOUNDARY
            while len(said) < 2 * len(source) + 10:
                scores, started, _ = net.step(torch.tensor([token]), started)
                token = int(scores.argmax())
                if token == BOUNDARY:
                    break
                said.append(token)
            assert best.tokens == tuple(said)
            assert not rest


@pytest.mark.parametrize("attention", ["multiplicative", "additive", None])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_translations_do_not_depend_on_what_else_is_in_the_batch(attention: str | None, beam_size: int) -> None:
    net, texts = network(attention, seed=3), sources(9, seed=1)
    options = Search(beam_size, coverage_penalty=0.1 if attention else 0.0)
    together = translations(net, texts, options)
    for source, expected in zip(texts, together, strict=True):
        (alone,) = translations(net, [source], options)
        assert [each.tokens for each in alone] == [each.tokens for each in expected]
        assert [each.score for each in alone] == pytest.approx([each.score for each in expected], rel=1e-9)


def test_a_wider_beam_finds_more_probable_translations() -> None:
    more = 0.0
    for seed in range(6):
        net, texts = network(seed=seed), sources(12, seed=seed)
        greedy = translations(net, texts, Search(1, length_penalty=0.0))
        wide = translations(net, texts, Search(8, length_penalty=0.0))
        more += sum(one[0].score - other[0].score for one, other in zip(wide, greedy, strict=True))
    assert more > 1.0


def test_finished_sentences_leave_the_batch() -> None:
    net, texts = network(seed=1), sources(6, seed=4)
    inputs, lengths = collate(texts, "cpu")
    rows: list[int] = []
    step = net.step

    def counted(tokens: Tensor, started: Any) -> Any:
        rows.append(len(tokens))
        return step(tokens, started)

    net.step = counted  # type: ignore[method-assign]
    limits = [1, 2, 3, 4, 5, 6]
    found = search(net, net.start(inputs, lengths), limits, Search(2))
    assert rows[0] == 6  # a row a sentence; then as many as the beam is wide
    assert all(now <= 2 * sum(limit >= step for limit in limits) for step, now in enumerate(rows[1:], 1))
    assert all(len(best[0].tokens) <= limit for best, limit in zip(found, limits, strict=True))


def test_no_translation_has_an_unknown_token_or_goes_beyond_its_limit() -> None:
    for seed in range(3):
        net = network(seed=seed)
        with torch.no_grad():
            net.output.bias[:] = torch.tensor([-9.0, 9.0, 0.0, 0.0, 0.0])  # no end, and unknown all the time
        for best in translations(net, [torch.tensor([2, 3])], Search(3))[0]:
            assert set(best.tokens) <= set(WORDS)
            assert len(best.tokens) <= 2 * 2 + 10


def test_the_length_penalty_prefers_longer_translations() -> None:
    net, texts = network(seed=5), sources(20, seed=5)

    def total(alpha: float) -> int:
        return sum(len(best[0].tokens) for best in translations(net, texts, Search(6, length_penalty=alpha)))

    assert total(0.0) < total(2.0)


@pytest.mark.parametrize("weight", [math.nan, math.inf, 1e308])
def test_weights_that_give_no_numbers_give_an_empty_translation(weight: float) -> None:
    made = network()
    torch.nn.init.constant_(made.output.weight, weight)
    for best in translations(made, sources(), Search(2)):
        assert best
        assert all(one.score == -math.inf or math.isfinite(one.score) for one in best)
