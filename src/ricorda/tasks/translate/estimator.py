"""`Translator`: from one sequence to another, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.pairs import as_texts
from ricorda.data.subwords import text_of
from ricorda.data.tokenization import encode
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint
from ricorda.tasks.parameters import COUNT, FLAG, SHARE, Rule, one_of
from ricorda.tasks.translate.attention import FORMS
from ricorda.tasks.translate.beam import RULES as SEARCH_RULES
from ricorda.tasks.translate.beam import Search
from ricorda.tasks.translate.examples import Sentences, Subwords, read_pairs_of, split
from ricorda.tasks.translate.inference import Alignment, Translation, alignment, translations
from ricorda.tasks.translate.metrics import Report, grouped, report
from ricorda.tasks.translate.network import EncoderDecoder, Sizes
from ricorda.tasks.translate.training import TranslationTask


class Translator(SequenceEstimator):
    """An encoder that reads a sentence, and a decoder that writes its translation, with attention between them.

    Both sides are read as subwords (byte-pair encoding), case and punctuation kept; translations are plain text.

    Parameters
    ----------
    cell : str, Cell or function
        The recurrent cell of encoder and decoder: a name that `ricorda cells` lists, "FILE.py:NAME", or a cell itself.
    hidden_size, num_layers, bidirectional
        Units of a layer and direction, layers of encoder and decoder each, and whether the encoder reads from the end
        too.
    embedding_size : int
        Numbers a token is turned into.
    attention : {"multiplicative", "additive"} or None
        How the decoder looks at the source: as Luong et al. (2015) or as Bahdanau et al. (2015) score it, both with the
        decoder's state of the same step. With None all it knows is the encoder's last state (Sutskever et al. 2014),
        which is little for long sentences.
    input_feeding : bool
        Whether the decoder reads what it saw at the last step (Luong et al. 2015); it then trains a step after another,
        several times slower.
    tied_embeddings : bool
        Whether the output layer's weights are the target's embeddings (Press, Wolf 2017).
    shared_vocabulary : bool
        Whether source and target have the same subwords and embeddings, for languages that share words.
    dropout : float
        Probability of dropping a number on embeddings, between layers, and before attention and output, while training.
    label_smoothing : float
        Share of the probability that the loss gives to all tokens alike (Szegedy et al. 2016).
    vocab_size, min_frequency, lowercase
        Subwords of each side, how often a pair of them must occur to become one, and whether texts are read (and
        written) in small letters.
    max_length : int
        Subwords that a sentence may have; a longer one is refused.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the pairs, pairs a step (and process), AdamW's largest rate and decay, the share
        of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a gradient (None:
        any).
    validation_fraction : float
        Share of the pairs that is kept apart to choose the best epoch, unless `fit` is given others; 0 for none. All
        translations of one sentence are kept apart together.
    patience : int, optional
        Epochs without a better score after which training stops early.
    beam_size : int
        Unfinished translations that are kept at each step; 1 is greedy.
    length_penalty, coverage_penalty : float
        alpha and beta of Wu et al. (2016): how much longer translations are preferred, and those that leave nothing of
        the source out.
    device : str
        "auto" for a GPU if there is one, or torch's name of a device.
    precision : {"32", "bf16"}
        Of the computation.
    random_state : int, RandomState or None
        Seed of everything random.

    Attributes
    ----------
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second.
    network_ : torch.nn.Module
        The trained network.
    subwords_ : Subwords
        The tokenisers of source and target.

    Examples
    --------
    >>> from ricorda import Translator
    >>> numbers = ["one", "two", "three", "four", "five"]
    >>> pairs = [(f"{a} and {b}", f"{b} {a}") for a in numbers for b in numbers]
    >>> sources, targets = zip(*pairs)
    >>> model = Translator(hidden_size=64, embedding_size=64, vocab_size=300, epochs=40, batch_size=4, random_state=0)
    >>> model.fit(sources, targets).predict(["two and five"])
    ['five two']
    """

    TASK: ClassVar[str] = "translate"
    RULES: ClassVar[Mapping[str, Rule]] = {
        "attention": Rule(one_of(*FORMS).holds, f"one of {', '.join(FORMS)} or None", optional=True),
        "input_feeding": FLAG,
        "tied_embeddings": FLAG,
        "shared_vocabulary": FLAG,
        "label_smoothing": SHARE,
        "max_length": COUNT,
        **SEARCH_RULES,
    }
    SCORES: ClassVar[Mapping[str, str]] = {
        "validation_loss": "log loss (nats a token)",
        "token_accuracy": "tokens foretold",
    }
    LOSS: ClassVar[str] = "cross-entropy (nats a token)"

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 256,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 256,
        attention: str | None = "multiplicative",
        input_feeding: bool = False,
        tied_embeddings: bool = True,
        shared_vocabulary: bool = False,
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        vocab_size: int = 4_000,
        min_frequency: int = 2,
        lowercase: bool = False,
        max_length: int = 250,
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip_norm: float | None = 1.0,
        validation_fraction: float = 0.05,
        patience: int | None = None,
        beam_size: int = 5,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
        device: str = "auto",
        precision: str = "32",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.embedding_size = embedding_size
        self.attention = attention
        self.input_feeding = input_feeding
        self.tied_embeddings = tied_embeddings
        self.shared_vocabulary = shared_vocabulary
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.vocab_size = vocab_size
        self.min_frequency = min_frequency
        self.lowercase = lowercase
        self.max_length = max_length
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.beam_size = beam_size
        self.length_penalty = length_penalty
        self.coverage_penalty = coverage_penalty
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: tuple[Any, Any] | None = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
    ) -> Self:
        """Train on sentence pairs.

        Parameters
        ----------
        X, y : sequence [N] of str
            Sentences, and a translation of each; a sentence may stand several times.
        validation : (X, y), optional
            Other pairs, to choose the best epoch by.
        folder, resume, progress, tensorboard, watch_gradients
            As in `SequenceClassifier.fit`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter or a sentence cannot be.
        """
        self.check_parameters()
        program = program_of(self.cell)
        sources, targets = read_pairs_of(X, y)
        others = None
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
            others = read_pairs_of(*validation, names=("validation[0]", "validation[1]"))
        seed = self._seed()
        training, held_out = split(sources.texts, self.validation_fraction if others is None else 0.0, seed)
        with self._keeping_what_was_learned():
            self.subwords_ = Subwords.learn(
                [sources.texts[row] for row in training],
                [targets.texts[row] for row in training],
                shared=self.shared_vocabulary,
                vocab_size=self.vocab_size,
                min_frequency=self.min_frequency,
                lowercase=self.lowercase,
            )
            everything = self.subwords_.encode_pairs(sources, targets, self.max_length)
            examples, kept = everything.take(training), everything.take(held_out)
            if others is not None:
                kept = self.subwords_.encode_pairs(*others, self.max_length)
            network = self._fresh_network(program, seed)
            self._train(
                TranslationTask(network, examples, kept, self.label_smoothing),
                program,
                seed,
                data=fingerprint(examples.sources, examples.targets, kept.sources, kept.targets),
                examples=len(examples.targets),
                validation_examples=len(kept.targets),
                folder=folder,
                resume=resume,
                progress=progress,
                tensorboard=tensorboard,
                watch_gradients=watch_gradients,
            )
        return self

    def predict(self, X: Any) -> list[str]:
        """The best translation of each sentence.

        Raises
        ------
        DataError
            If one is no text, blank or longer than `max_length`.
        """
        return [best[0].text for best in self.translate(X)]

    def translate(
        self,
        X: Any,
        *,
        n_best: int = 1,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        coverage_penalty: float | None = None,
    ) -> list[list[Translation]]:
        """The best translations of each sentence, best first.

        Parameters
        ----------
        X : sequence [N] of str
            Sentences.
        n_best : int
            Translations of each, at most `beam_size`.
        beam_size, length_penalty, coverage_penalty
            Other values than the estimator's.

        Raises
        ------
        ArgumentError, DataError
            If a number or a sentence cannot be.
        """
        check_is_fitted(self, "network_")
        options = self._search(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
        if not COUNT.holds(n_best) or n_best > options.beam_size:
            raise ArgumentError(f"n_best is {n_best!r}: give a whole number from 1 to beam_size ({options.beam_size})")
        return self._translated(Sentences.read(X), options, n_best)

    def attend(self, text: str, translation: str | None = None) -> Alignment:
        """Where attention lies while a sentence is translated.

        Parameters
        ----------
        text : str
            The sentence.
        translation : str, optional
            What to look at being written; the best translation if not given.

        Raises
        ------
        ArgumentError
            If the model has no attention.
        DataError
            If a text cannot be.
        """
        check_is_fitted(self, "network_")
        if self.attention is None:
            raise ArgumentError("attention is None: this model has none to show; train another with it")
        (source,) = self.subwords_.encode_sources(Sentences.read([text], "text", lambda _: "text"), self.max_length)
        if translation is None:
            said = translations(self.network_, [source], self._search())[0][0].tokens
        else:
            said = tuple(
                encode(self.subwords_.target, as_texts([translation], lambda _: "translation", "translation"))[0]
            )
        return alignment(self.network_, source, said, (self.subwords_.source, self.subwords_.target))

    def evaluate(
        self,
        X: Any,
        y: Any,
        *,
        beam_size: int | None = None,
        length_penalty: float | None = None,
        coverage_penalty: float | None = None,
    ) -> Report:
        """BLEU and chrF of the best translations; where a sentence stands several times, against all its references.

        Parameters
        ----------
        X, y : sequence [N] of str
            Sentences, and a translation of each.
        beam_size, length_penalty, coverage_penalty
            Other values than the estimator's.

        Raises
        ------
        DataError
            If a sentence cannot be.
        """
        check_is_fitted(self, "network_")
        options = self._search(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
        sources, targets = read_pairs_of(X, y)
        groups = grouped(sources.texts, targets.texts)
        rows = {text: row for row, text in reversed(list(enumerate(sources.texts)))}
        different = Sentences(list(groups), lambda index: sources.place(rows[different.texts[index]]))
        found = self._translated(different, options, 1)
        return report(different.texts, [best[0].text for best in found], list(groups.values()))

    def score(self, X: Any, y: Any) -> float:
        """BLEU of `evaluate`, 0 to 100."""
        return self.evaluate(X, y).bleu

    def _search(self, **others: Any) -> Search:
        own = Search(self.beam_size, self.length_penalty, self.coverage_penalty)
        return replace(own, **{name: value for name, value in others.items() if value is not None})

    def _translated(self, sentences: Sentences, options: Search, n_best: int) -> list[list[Translation]]:
        sources = self.subwords_.encode_sources(sentences, self.max_length)
        return [
            [
                Translation(text_of(self.subwords_.target, one.tokens), one.score, one.log_probability)
                for one in best[:n_best]
            ]
            for best in translations(self.network_, sources, options)
        ]

    def _network(self, program: Program) -> EncoderDecoder:
        sizes = Sizes(
            source_vocabulary=self.subwords_.source.get_vocab_size(),
            target_vocabulary=self.subwords_.target.get_vocab_size(),
            embedding=int(self.embedding_size),  # NumPy has whole numbers of its own
            hidden=int(self.hidden_size),
            layers=int(self.num_layers),
            bidirectional=self.bidirectional,
            attention=self.attention,
            input_feeding=self.input_feeding,
            tied=self.tied_embeddings,
            shared=self.shared_vocabulary,
        )
        return EncoderDecoder(program, sizes, dropout=self.dropout)

    def _description(self) -> dict[str, Any]:
        return {}

    def _tokenizers(self) -> dict[str, Tokenizer]:
        if self.shared_vocabulary:
            return {"tokenizer": self.subwords_.source}
        return {"source_tokenizer": self.subwords_.source, "target_tokenizer": self.subwords_.target}

    def _restore(self, _description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        names = ["tokenizer"] * 2 if self.shared_vocabulary else ["source_tokenizer", "target_tokenizer"]
        if set(tokenizers) != set(names):
            raise ModelFolderError(f"it holds not the tokenizers {' and '.join(sorted(set(names)))}")
        self.subwords_ = Subwords(*(tokenizers[name] for name in names))

    def _card(self) -> Card:
        form = "without attention" if self.attention is None else f"with {self.attention} attention"
        return Card(
            title="A translator",
            does=f"It translates sentences: an encoder and a decoder {form}, searched with a beam of {self.beam_size}.",
            use=[
                'ricorda predict FOLDER "..."',
                *([] if self.attention is None else ['ricorda predict FOLDER "..." --attention picture.png']),
                "ricorda evaluate FOLDER PAIRS.tsv",
            ],
            limits="It knows the words and the kind of sentences of its pairs and nothing else: names, numbers and "
            "subjects that they lack come out wrong, in fluent words. Have a translation that matters read by someone "
            "who knows both languages.",
            python='model.translate(["..."], n_best=3)',
        )
