import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ricorda.data.batches import batches, rows_of_process

LENGTHS = np.random.default_rng(0).lognormal(2.8, 0.5, 10_000).astype(int)


@given(
    lengths=st.lists(st.integers(0, 300), max_size=80),
    size=st.integers(1, 40),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 1000),
)
def test_every_row_is_in_exactly_one_batch_and_sizes_differ_by_at_most_one(
    lengths: list[int], size: int, seed: int, epoch: int
) -> None:
    made = batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert len(made) == -(-len(lengths) // size)
    sizes = [len(batch) for batch in made]
    assert not made or (max(sizes) <= size and max(sizes) - min(sizes) <= 1)


@given(rows=st.integers(0, 40), processes=st.integers(1, 9))
def test_shares_are_a_partition_of_nearly_equal_parts(rows: int, processes: int) -> None:
    batch = np.random.default_rng(rows).permutation(rows)
    shares = [rows_of_process(batch, rank, processes) for rank in range(processes)]
    assert sorted(row for part in shares for row in part) == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_do_not() -> None:
    def flat(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in batches(LENGTHS, 32, seed=seed, epoch=epoch)]

    assert flat(1, 2) == flat(1, 2)
    assert flat(1, 2) != flat(1, 3)
    assert flat(1, 2) != flat(2, 2)


def test_similar_lengths_come_together_and_little_is_padded() -> None:
    padded = sum(LENGTHS[batch].max() * len(batch) for batch in batches(LENGTHS, 32, seed=0, epoch=0))
    shuffled = np.random.default_rng(0).permutation(len(LENGTHS))
    padded_without = sum(LENGTHS[part].max() * len(part) for part in np.array_split(shuffled, len(LENGTHS) // 32))
    assert padded < 1.1 * LENGTHS.sum() < padded_without / 2


@pytest.mark.parametrize("length", [0, 7])
def test_rows_of_equal_length_meet_others_in_the_next_epoch(length: int) -> None:
    first, second = (batches([length] * 1000, 10, seed=0, epoch=epoch) for epoch in (0, 1))
    companions = {row: set(batch) for batch in first for row in batch}
    same = [len(companions[row] & set(batch)) - 1 for batch in second for row in batch]
    assert np.mean(same) < 1  # of 9 companions, 0.08 are expected again


def test_batches_do_not_come_in_order_of_length() -> None:
    means = [LENGTHS[batch].mean() for batch in batches(LENGTHS, 32, seed=0, epoch=0)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5
