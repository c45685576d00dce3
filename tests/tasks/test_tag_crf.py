"""The CRF against enumeration of all tag sequences, in float64."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ricorda.tasks.tag.crf import LinearChain

BOUND = 1e-12
"""Some 50 additions of numbers near 10 in float64, whose unit roundoff is 1.1e-16."""


def chain(tags: int, seed: int = 0) -> LinearChain:
    torch.manual_seed(seed)
    crf = LinearChain(tags).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def score_by_hand(crf: LinearChain, scores: Tensor, tags: tuple[int, ...]) -> Tensor:
    """The definition: first, emissions, transitions, last."""
    total = crf.first[tags[0]] + crf.last[tags[-1]]
    for step, tag in enumerate(tags):
        total = total + scores[step, tag]
    for before, after in itertools.pairwise(tags):
        total = total + crf.transitions[before, after]
    return total


shapes = st.tuples(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 99))


@settings(max_examples=25, deadline=None)
@given(shapes)
def test_partition_best_sequence_and_marginals_are_those_of_enumeration(shape: tuple[int, list[int], int]) -> None:
    tags, lengths, seed = shape
    crf = chain(tags, seed)
    scores = torch.randn(max(lengths), len(lengths), tags, dtype=torch.float64)
    for row, length in enumerate(lengths):
        scores[length:, row] = torch.nan  # what stands beyond a length is never counted
    given_lengths = torch.tensor(lengths)
    partition = crf.log_partition(scores, given_lengths)
    best = crf.decode(scores, given_lengths)
    marginals = crf.marginals(scores, given_lengths)
    for row, length in enumerate(lengths):
        sequences = list(itertools.product(range(tags), repeat=length))
        totals = torch.stack([score_by_hand(crf, scores[:, row], each) for each in sequences])
        assert abs(partition[row] - totals.logsumexp(0)) < BOUND
        assert tuple(best[:length, row].tolist()) == sequences[int(totals.argmax())]
        assert not best[length:, row].any()
        expected = torch.zeros(length, tags, dtype=torch.float64)
        for sequence, probability in zip(sequences, totals.softmax(0), strict=True):
            for step, tag in enumerate(sequence):
                expected[step, tag] += probability
        torch.testing.assert_close(marginals[:length, row], expected, rtol=0, atol=BOUND)
        likelihood = (
            crf.log_likelihood(
                scores[:, row : row + 1], torch.tensor(sequences[0]).unsqueeze(1), torch.tensor([length])
            )
            if length == max(lengths)
            else None
        )
        if likelihood is not None:
            assert abs(likelihood[0] - totals.log_softmax(0)[0]) < BOUND


def test_the_likelihood_of_ragged_rows_is_that_of_each_row_alone() -> None:
    crf = chain(3)
    lengths = torch.tensor([4, 1, 2])
    scores, tags = torch.randn(4, 3, 3, dtype=torch.float64), torch.randint(3, (4, 3))
    together = crf.log_likelihood(scores, tags.masked_fill(torch.arange(4)[:, None] >= lengths, -100), lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = slice(row, row + 1)
        expected = crf.log_likelihood(scores[:length, alone], tags[:length, alone], lengths[alone])
        assert abs(together[row] - expected[0]) < BOUND


def test_the_likelihood_s_gradients_are_right() -> None:
    crf = chain(3)
    lengths, tags = torch.tensor([3, 1]), torch.tensor([[0, 2], [1, -100], [1, -100]])

    def likelihood(scores: Tensor, transitions: Tensor, first: Tensor, last: Tensor) -> Tensor:
        weights = {"transitions": transitions, "first": first, "last": last}
        return torch.func.functional_call(_Likelihood(crf), {f"crf.{k}": v for k, v in weights.items()}, (scores,))

    class _Likelihood(torch.nn.Module):
        def __init__(self, crf: LinearChain) -> None:
            super().__init__()
            self.crf = crf

        def forward(self, scores: Tensor) -> Tensor:
            return self.crf.log_likelihood(scores, tags, lengths)

    scores = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    weights = [crf.transitions, crf.first, crf.last]
    assert torch.autograd.gradcheck(likelihood, [scores, *(each.detach().clone().requires_grad_() for each in weights)])


def test_large_scores_neither_overflow_nor_lose_the_probability() -> None:
    crf = LinearChain(2)
    scores = torch.tensor([[[1e4, 0.0]], [[1e4, 0.0]], [[-1e4, 0.0]]])
    lengths = torch.tensor([3])
    assert crf.log_likelihood(scores, torch.tensor([[0], [0], [1]]), lengths).tolist() == [0.0]
    assert crf.decode(scores, lengths).flatten().tolist() == [0, 0, 1]


def test_marginals_are_found_in_inference_mode_too() -> None:
    crf = chain(2)
    with torch.inference_mode():
        marginals = crf.marginals(torch.randn(3, 2, 2, dtype=torch.float64), torch.tensor([3, 2]))
    torch.testing.assert_close(marginals.sum(2)[:2], torch.ones(2, 2, dtype=torch.float64))
    assert marginals[2, 1].tolist() == [0, 0]
