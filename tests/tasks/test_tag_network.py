"""The network of a tagger and its losses, beside plain torch with the same weights."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ricorda.cells import gru, lstm, rnn
from ricorda.data.tokenization import UNKNOWN
from ricorda.program.cell import Cell
from ricorda.tasks.tag.inference import Inputs, of_each, outputs
from ricorda.tasks.tag.network import Aligned, Sizes
from ricorda.tasks.tag.objective import Tagging, Targeted, step_losses, unread_probabilities
from ricorda.tasks.tag.words import LONGEST_WORD, WordVocabulary

SENTENCES = [["Il", "gatto", "dorme", "."], ["Gatti", "!"], ["il", "cane", "vede", "il", "gatto"], ["Roma"]]
TAGS = 3


def vocabulary(lowercase: bool = True) -> WordVocabulary:
    return WordVocabulary.learn(SENTENCES, vocab_size=100, min_frequency=1, lowercase=lowercase)


def network(cell: Cell = lstm, *, crf: bool = False, characters: int = 4, dropout: float = 0.0) -> Aligned:
    torch.manual_seed(0)
    known = vocabulary()
    sizes = Sizes(
        TAGS,
        5,
        2,
        True,
        known.words.get_vocab_size(),
        6,
        known.characters.get_vocab_size(),
        3,
        characters,
    )
    return Aligned(cell.program, sizes, dropout=dropout, crf=crf)


def examples() -> Targeted:
    words, numbers = vocabulary().read(SENTENCES)
    random = torch.Generator().manual_seed(1)
    return Targeted(Inputs(numbers, words), [torch.randint(TAGS, (len(each),), generator=random) for each in numbers])


class Twin(nn.Module):
    """The same model as anyone writes it in torch: every word of the batch spelled, packed sequences."""

    def __init__(self, model: Aligned) -> None:
        super().__init__()
        self.embedding = nn.Embedding(*model.embedding.weight.shape)
        self.alphabet = nn.Embedding(*model.alphabet.weight.shape)
        self.spelling = nn.LSTM(3, 4, bidirectional=True)
        self.recurrent = nn.LSTM(6 + 8, 5, 2, bidirectional=True)
        self.head = nn.Linear(10, TAGS)
        self.load_state_dict(model.state_dict())

    def forward(self, known: WordVocabulary) -> Tensor:
        rows = []
        for sentence in SENTENCES:
            vectors = []
            for word in sentence:
                id = torch.tensor(known.words.token_to_id(word.lower()))
                letters = torch.tensor([known.characters.token_to_id(letter) for letter in word])
                _, (final, _) = self.spelling(self.alphabet(letters))
                vectors.append(torch.cat([self.embedding(id), final[0], final[1]]))
            rows.append(torch.stack(vectors))
        lengths = [len(row) for row in rows]
        packed = pack_padded_sequence(pad_sequence(rows), lengths, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.recurrent(packed)[0])
        scores: Tensor = self.head(y)
        return scores


def test_loss_and_every_gradient_are_those_of_a_plain_torch_twin() -> None:
    model = network().double()
    twin = Twin(model).double()
    given = examples()
    loss, steps = Tagging(model, given, given).loss(np.arange(len(SENTENCES)))
    targets = pad_sequence(list(given.targets), padding_value=-100)
    expected = F.cross_entropy(twin(vocabulary()).flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100)
    assert int(steps) == 12
    eps = torch.finfo(torch.float64).eps  # some 100 roundings one after the other, each in numbers of at most 2
    torch.testing.assert_close(loss, expected, rtol=100 * eps, atol=0)
    loss.backward()
    expected.backward()
    twins = dict(twin.named_parameters())
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        wanted = twins[name].grad
        assert wanted is not None
        wanted[0] = wanted[0] if name not in ("embedding.weight", "alphabet.weight") else 0.0  # padding learns nothing
        torch.testing.assert_close(weight.grad, wanted, rtol=0, atol=1000 * eps)


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("cell", [rnn, lstm, gru], ids=lambda cell: cell.name)
def test_a_sequence_depends_neither_on_its_padding_nor_on_those_beside_it(cell: Cell, crf: bool) -> None:
    model = network(cell, crf=crf).eval().double()
    words, numbers = vocabulary().read(SENTENCES)
    together = of_each(model, Inputs(numbers, words), model.probabilities)
    for sentence, probabilities in zip(SENTENCES, together, strict=True):
        words, numbers = vocabulary().read([sentence])
        (alone,) = of_each(model, Inputs(numbers, words), model.probabilities)
        np.testing.assert_allclose(probabilities, alone, rtol=0, atol=1e-13)
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-13)


def test_prediction_computes_what_training_does() -> None:
    model, given = network(crf=True).eval(), examples()
    rows = np.arange(len(SENTENCES))
    expected, _ = Tagging(model, given, given).loss(rows)
    with torch.no_grad():
        found = sum(
            step_losses(model, scores, [given.targets[row] for row in rows], lengths)
            for rows, scores, lengths in outputs(model, given.inputs)
        )
    torch.testing.assert_close(torch.as_tensor(found), expected.detach())


def test_each_distinct_word_of_a_batch_is_spelled_once() -> None:
    model, given = network(), examples()
    spelled: list[int] = []
    assert model.spelling is not None
    model.spelling.register_forward_pre_hook(
        lambda _module, arguments: spelled.append(arguments[0].shape[1]), with_kwargs=False
    )
    Tagging(model, given, given).loss(np.array([0, 2]))
    assert spelled == [len({word for row in (0, 2) for word in SENTENCES[row]})]


def test_words_are_known_by_their_small_letters_and_characters_as_they_stand() -> None:
    words, numbers = vocabulary().read([["Il", "il", "IL", "Zebra"]])
    assert numbers[0].tolist() == [0, 1, 2, 3]
    assert words.ids[0] == words.ids[1] == words.ids[2] != UNKNOWN
    assert words.ids[3] == UNKNOWN
    assert words.characters[0].tolist() != words.characters[1].tolist()
    assert words.lengths.tolist() == [2, 2, 2, 5]
    cased, _ = vocabulary(lowercase=False).read([["Il", "il"]])
    assert cased.ids[0] != cased.ids[1]


def test_of_a_long_word_both_ends_are_read() -> None:
    known = WordVocabulary.learn([["a" * 50 + "b" * 50]], vocab_size=10, min_frequency=1, lowercase=True)
    words, _ = known.read([["a" * 50 + "b" * 50], ["b"]])
    a, b = known.characters.token_to_id("a"), known.characters.token_to_id("b")
    assert words.characters[0].tolist() == [a] * (LONGEST_WORD // 2) + [b] * (LONGEST_WORD // 2)
    assert words.lengths.tolist() == [LONGEST_WORD, 1]


def test_rare_words_are_read_as_unknown_more_often() -> None:
    known = vocabulary()
    counts = known.counts(SENTENCES)
    unread = unread_probabilities(counts, 0.5)
    of = {word: float(unread[known.words.token_to_id(word)]) for word in ("il", "gatto", "roma")}
    assert of == pytest.approx({"il": 0.5 / 3.5, "gatto": 0.5 / 2.5, "roma": 0.5 / 1.5})
    assert unread[:2].tolist() == [0, 0]
    assert unread_probabilities(counts, 0.0).tolist() == [0.0] * len(counts)


def test_forgotten_words_are_unknown_in_training_alone() -> None:
    model, given = network(), examples()
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].clone()))
    task = Tagging(model, given, given, torch.ones(vocabulary().words.get_vocab_size()))
    task.loss(np.array([0]))
    assert set(seen.pop().tolist()) == {UNKNOWN}
    with torch.no_grad():
        task.validate()
    assert UNKNOWN not in seen.pop().tolist()


def test_numbers_are_learned_by_their_squared_error_in_units_of_their_deviation() -> None:
    torch.manual_seed(0)
    model = Aligned(lstm.program, Sizes(2, 3, 1, False, features=2, numbers=True), dropout=0.0)
    random = torch.Generator().manual_seed(2)
    x, y = ([torch.randn(length, 2, generator=random) * 4 + 7 for length in (4, 1, 6)] for _ in range(2))
    model.standardise(x, y)
    given = Targeted(Inputs(x), y)
    task = Tagging(model, given, given)
    summed, steps = task.loss(np.arange(3))
    loss = summed.detach()
    found = of_each(model, Inputs(x), lambda scores, _lengths: model.numbers(scores).double())
    deviation = torch.cat(y).std(0, correction=0).numpy()
    errors = [((guess - truth.numpy()) / deviation) ** 2 for guess, truth in zip(found, y, strict=True)]
    assert int(steps) == 11
    assert float(loss) == pytest.approx(np.concatenate(errors).mean(1).sum(), rel=1e-5)
    with torch.no_grad():
        assert task.validate()["validation_loss"] == pytest.approx(float(loss) / 11, rel=1e-5)


def test_without_characters_words_alone_are_read() -> None:
    model, given = network(characters=0), examples()
    assert model.spelling is None
    assert not any("alphabet" in name for name in model.state_dict())
    Tagging(model, given, given).loss(np.arange(2))[0].backward()


def test_dropout_acts_on_what_enters_and_leaves_the_layers() -> None:
    model, given = network(dropout=0.5), examples()
    task = Tagging(model, given, given)
    losses = {float(task.loss(np.arange(4))[0].detach()) for _ in itertools.repeat(None, 3)}
    assert len(losses) == 3
    model.eval()
    assert len({float(task.loss(np.arange(4))[0].detach()) for _ in itertools.repeat(None, 3)}) == 1
