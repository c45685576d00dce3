"""The random bits of masks: the documented function, bits that look independent, and nothing but their place counts."""

import pytest
import torch
from mask_bits import bit, lowbias32, mix64

from ricorda.engines.masks import mask, row_keys

SEEDS = [0, 1, 12345, 2**62 + 7, -3]


def draw(seed: int, stream: int, step: torch.Tensor | int, rows: list[int], size: int, p: float) -> torch.Tensor:
    return mask(row_keys(seed, stream, step, torch.tensor(rows)), size, p, torch.float64)


def test_the_finalisers_are_the_published_ones() -> None:
    assert mix64(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # the first number of splitmix64 from seed 0
    assert lowbias32(0) == 0
    assert len({lowbias32(x) for x in range(4096)}) == 4096


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.999])
def test_a_mask_is_the_documented_function(seed: int, probability: float) -> None:
    rows = [0, 1, 7, 2**31 + 5]
    for stream, step in [(0, 0), (1, 0), (0, 1), (5, 1000)]:
        expected = [[bit(seed, stream, step, row, unit, probability) for unit in range(37)] for row in rows]
        assert draw(seed, stream, step, rows, 37, probability).tolist() == expected


def test_known_bits() -> None:
    units = [[bit(seed, 0, 0, 0, unit, 0.5) for unit in range(16)] for seed in (0, 1)]
    assert draw(0, 0, 0, [0], 16, 0.5).int().tolist()[0] == units[0] == FIRST
    assert units[1] == SECOND


FIRST = [0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0]
SECOND = [1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1]


def test_each_row_may_be_at_a_step_of_its_own() -> None:
    together = draw(3, 1, torch.tensor([4, 0, 2]), [0, 1, 2], 50, 0.5)
    for row, step in enumerate([4, 0, 2]):
        assert torch.equal(together[row], draw(3, 1, step, [row], 50, 0.5)[0])


def test_a_row_s_mask_depends_on_its_place_in_the_batch_alone() -> None:
    rows = torch.randperm(20, generator=torch.Generator().manual_seed(0)).tolist()
    assert torch.equal(draw(9, 0, 5, rows, 40, 0.3), draw(9, 0, 5, list(range(20)), 40, 0.3)[rows])
    assert torch.equal(draw(9, 0, 5, [13], 40, 0.3), draw(9, 0, 5, list(range(20)), 40, 0.3)[13:14])
    assert torch.equal(draw(9, 0, 5, [13], 17, 0.3), draw(9, 0, 5, [13], 40, 0.3)[:, :17])


def test_a_probability_of_zero_drops_nothing() -> None:
    assert bool((draw(0, 0, 0, list(range(100)), 100, 0.0) == 1).all())


@pytest.mark.parametrize("probability", [0.1, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_means_and_neighbours_are_those_of_independent_bits(probability: float, seed: int) -> None:
    rows, units, steps, streams = 32, 64, 16, 3
    bits = torch.stack(
        [
            torch.stack([draw(seed, stream, step, list(range(rows)), units, probability) for step in range(steps)])
            for stream in range(streams)
        ]
    )  # [streams, steps, rows, units]
    deviation = (probability * (1 - probability)) ** 0.5
    assert abs(bits.mean().item() - (1 - probability)) < 5 * deviation / bits.numel() ** 0.5
    noise = (bits - (1 - probability)) / deviation
    for dimension in range(4):
        for distance in (1, 2):
            length = noise.shape[dimension] - distance
            product = noise.narrow(dimension, 0, length) * noise.narrow(dimension, distance, length)
            assert abs(product.mean().item()) < 5 / product.numel() ** 0.5, (dimension, distance)
    for dimension in range(4):  # the means along each: chi-squared over them, 5 deviations
        others = [each for each in range(4) if each != dimension]
        means = noise.mean(dim=others) * (noise.numel() / noise.shape[dimension]) ** 0.5
        assert means.square().sum().item() < len(means) + 5 * (2 * len(means)) ** 0.5


def test_neighbouring_seeds_share_nothing() -> None:
    first, second = (draw(seed, 0, 0, list(range(100)), 100, 0.5) for seed in (5, 6))
    assert abs((first == second).double().mean().item() - 0.5) < 0.025
