"""What classifiers and regressors share: they read a whole sequence and predict one thing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, get_args

from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import parts_of
from ricorda.data.inputs import Kind, place_of, read_inputs
from ricorda.data.tokenization import tokens_of
from ricorda.errors import ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Prepared, SequenceEstimator, pair_of
from ricorda.tasks.many_to_one.examples import Examples, outputs
from ricorda.tasks.many_to_one.network import ManyToOne, Sizes
from ricorda.tasks.parameters import ManyToOneParameters
from ricorda.tasks.pretrained import Pretrained, facts_of
from ricorda.tasks.worth import of_classes, of_numbers
from ricorda.training.task import Task

KINDS = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}


class ManyToOneEstimator(SequenceEstimator, ManyToOneParameters):
    """The base of the estimators that predict one thing from a whole sequence.

    Attributes
    ----------
    encoder_ : Encoder
        The tokeniser, or the number of features.
    """

    encoder_: Encoder

    @abstractmethod
    def _read_targets(self, X: Any, y: Any, count: int) -> tuple[NDArray[Any], dict[str, Any]]:
        """The targets of `count` examples, and the fitted attributes that follow from them."""

    @abstractmethod
    def _split(self, targets: NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
        """Rows to train on, and rows to choose the best epoch by."""

    @abstractmethod
    def _known_examples(
        self, X: Any, y: Any, encoder: Encoder, learned: Mapping[str, Any], names: tuple[str, str] = ("X", "y")
    ) -> Examples:
        """Other examples than the training's; `names` are the arguments' own, for messages."""

    def _learned_from(self, examples: Examples) -> dict[str, Any]:
        """More fitted attributes, from the training examples."""
        return {}

    @abstractmethod
    def _task(self, examples: Examples, held_out: Examples, network: ManyToOne) -> Task:
        """The training; the fitted attributes are already set."""

    @property
    @abstractmethod
    def _outputs(self) -> int:
        """The number of the network's outputs."""

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        kind, inputs = read_inputs(X)
        targets, learned = self._read_targets(X, y, len(inputs))
        training, held_out = self._split(targets, self.held_out_share(len(inputs)) if validation is None else 0.0, seed)
        begun, encoder = None, None
        if self.pretrained is not None:
            begun = Pretrained.read(self.pretrained, both=self.bidirectional)
            encoder = begun.encoder(self.max_length)
        encoder = encoder or Encoder.learn(
            kind,
            [inputs[row] for row in training],
            max_length=self.max_length,
            tokenizer=self.tokenizer,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
        )
        every = Examples(encoder.encode(kind, inputs, place_of(X)), targets)
        examples, kept = every.take(training), every.take(held_out)
        if validation is not None:
            kept = self._known_examples(*pair_of(validation), encoder, learned, ("validation[0]", "validation[1]"))
        learned = {**learned, **self._learned_from(examples), "encoder_": encoder, **facts_of(begun, self)}

        def task(network: ManyToOne) -> Task:
            network.standardise(examples.sequences)
            if begun is not None:
                begun.begin(network.embedding, network.recurrent)
            return self._task(examples, kept, network)

        def worth(_network: ManyToOne) -> dict[str, Any]:
            compare = of_classes if self.TASK == "classify" else of_numbers
            parts = (examples.sequences, examples.targets), (kept.sequences, kept.targets)
            return compare(*parts) if len(kept) else {}

        data, settings = fingerprint(*examples.parts(), *kept.parts()), {} if begun is None else begun.settings()
        return Prepared(learned, task, data, len(examples), len(kept), worth, settings)

    def _encode(self, X: Any) -> list[Tensor]:
        """Examples as the trained network reads them."""
        check_is_fitted(self, "network_")
        kind, inputs = read_inputs(X)
        return self.encoder_.encode(kind, inputs, place_of(X))

    def _network(self, program: Program) -> ManyToOne:
        vocabulary = self.encoder_.vocabulary
        sizes = Sizes(
            classes=self._outputs,
            hidden=int(self._now("hidden_size")),  # A NumPy integer becomes Python's.
            layers=int(self._now("num_layers")),
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            vocabulary=vocabulary,
            embedding=self._now("embedding_size") if vocabulary else 0,
            features=self.encoder_.features,
        )
        return ManyToOne(program, sizes, dropout=self.dropout, word_dropout=self.word_dropout, memory=self.memory)

    def _description(self) -> dict[str, Any]:
        return {"input": {"kind": self.encoder_.kind, "features": self.encoder_.features}}

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return {} if self.encoder_.tokenizer is None else {"tokenizer": self.encoder_.tokenizer}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        kind, features = description["input"]["kind"], description["input"]["features"]
        for_numbers = (kind == "numbers", features != 0, not tokenizers)
        if kind not in get_args(Kind) or len(set(for_numbers)) > 1 or set(tokenizers) - {"tokenizer"}:
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizer or number of features")
        self.encoder_ = Encoder(kind, self.max_length, tokenizers.get("tokenizer"), features)

    @property
    def _uses(self) -> list[str]:
        """Lines of a shell for the model card."""
        texts = ['ricorda predict FOLDER "..."'] if self.encoder_.kind == "texts" else []
        return [*texts, "ricorda evaluate FOLDER DATA"]

    # What insight asks of a task

    def _read_example(self, example: Any) -> list[str] | None:
        sequences = self._encode([example])
        outputs(self.network_, sequences)
        if self.encoder_.tokenizer is None:
            return None
        words = example if isinstance(example, str) else list(example)
        return tokens_of(self.encoder_.tokenizer, words)[: self.max_length]

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        targets, _ = self._read_targets(X, y, len(read_inputs(X)[1]))
        return parts_of(X, y, *self._split(targets, self.held_out_share(), seed))
