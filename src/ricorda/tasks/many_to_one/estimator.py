"""What classifiers and regressors share: they read a whole sequence and predict one thing."""

from __future__ import annotations

import copy
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.data.baseline import Baseline, check_baseline
from ricorda.data.batches import Rows
from ricorda.data.beside import NOTHING, Beside
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import parts_of
from ricorda.data.inputs import Kind, place_of, read_inputs
from ricorda.data.notices import say
from ricorda.data.tokenization import counts_of, tokens_of
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.embedding import ReadyVectors, limits
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Prepared, SequenceEstimator, pair_of
from ricorda.tasks.many_to_one.blend import FOLDS, LEAST, Parts, in_turns
from ricorda.tasks.many_to_one.examples import Examples, outputs
from ricorda.tasks.many_to_one.network import ManyToOne, Sizes
from ricorda.tasks.many_to_one.wide_learning import LearnedWide
from ricorda.tasks.parameters import ManyToOneParameters
from ricorda.tasks.pretrained import Pretrained
from ricorda.tasks.rules import AUTO
from ricorda.tasks.worth import FACTORS, IN_TURNS, mean_of
from ricorda.training.loop import train
from ricorda.training.task import Task

BESIDE_WIDE = 200
"""Steps that small data is trained for beside a wide part, which leaves less to learn; 640 were no clear gain."""


Begun = Pretrained | ReadyVectors
"""What a network begins with: language models, or the vectors of a file, of which there may be none."""


class ManyToOneEstimator(SequenceEstimator, ManyToOneParameters):
    """The base of the estimators that predict one thing from a whole sequence.

    Attributes
    ----------
    encoder_ : Encoder
        The tokeniser, or the number of features.
    grams_ : int
        Tokens and pairs that the wide part knows; 0 without it.
    """

    READS_BESIDE = True
    SHARDS = True
    encoder_: Encoder
    grams_: int = 0

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

    @abstractmethod
    def _learn_wide(self, examples: Examples, vocabulary: int, learned: Mapping[str, Any]) -> LearnedWide | None:
        """The wide part for texts; None if it would take too long."""

    @abstractmethod
    def _error(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        """The mean error of scores [N, C]; the fitted attributes are already set."""

    @abstractmethod
    def _measured(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        """What scores [N, C] have by the measure of `_alternatives`."""

    @abstractmethod
    def _baseline(self, examples: Examples, learned: Mapping[str, Any]) -> Baseline:
        """The linear model that evaluations compare with."""

    @abstractmethod
    def _alternatives(self, baseline: Baseline, known: NDArray[Any], examples: Examples) -> dict[str, Any]:
        """What the obvious alternatives have on examples, `known` being the targets that a constant is taken from."""

    @property
    @abstractmethod
    def _outputs(self) -> int:
        """The number of the network's outputs."""

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        beside = Beside.of(self.program_, self.gap)
        kind, inputs = read_inputs(X, missing=beside.mask)
        targets, learned = self._read_targets(X, y, len(inputs))
        if not self._shards.first:
            return self._prepare_shard(X, y)
        training, held_out = self._split(targets, self.held_out_share(len(inputs)) if validation is None else 0.0, seed)
        encoder, begun = self._reading(kind, [inputs[row] for row in training])
        encoder = replace(encoder, beside=beside.for_kind(kind, self.program_))
        every = Examples(encoder.encode(kind, inputs, place_of(X)), targets)
        examples, kept = every.take(training), every.take(held_out)
        if validation is not None:
            kept = self._known_examples(*pair_of(validation), encoder, learned, ("validation[0]", "validation[1]"))
        baseline = self._baseline(examples, learned)
        learned |= {**self._learned_from(examples), "encoder_": encoder, "baseline_": baseline, **begun.facts(self)}
        learns = self.wide and encoder.vocabulary and self._shards.size == 1
        wide = self._learn_wide(examples, encoder.vocabulary, learned) if learns else None
        learned["grams_"] = 0 if wide is None else len(wide.keys)
        if self.wide and not learns and encoder.vocabulary:
            say("--shards", "no linear part is learned beside the network, as it would need all examples (--no-wide)")
        self._shards.agree(learned)

        def task(network: ManyToOne) -> Task:
            return self._beginning(network, examples, kept, wide, begun)

        def afterwards(network: ManyToOne) -> dict[str, Any]:
            few = validation is None and self.validation_fraction == AUTO and not len(kept)
            worth = self._alternatives(baseline, examples.targets, kept) if len(kept) else {}
            return {**begun.summary, **self._weigh(network, examples, kept, few, begun, seed), **worth}

        data, settings = fingerprint(*examples.parts(), *kept.parts()), begun.settings()
        return Prepared(learned, task, data, len(examples), len(kept), afterwards, settings)

    def _prepare_shard(self, X: Any, y: Any) -> Prepared:
        """The examples of another process than the first, read as the first one learned to read its own."""
        learned = self._shards.agree(dict[str, Any]())
        examples = self._known_examples(X, y, learned["encoder_"], learned)

        def task(network: ManyToOne) -> Task:
            return self._task(examples, examples.take(np.empty(0, np.intp)), network)

        return Prepared(learned, task, fingerprint(*examples.parts()), len(examples), 0)

    def _reading(self, kind: Kind, inputs: list[Any]) -> tuple[Encoder, Begun]:
        """An encoder, learned from training inputs or taken over, and what the network begins with."""
        if self.pretrained is not None:
            if self.vectors is not None:
                raise ArgumentError("pretrained has an embedding of its own, and so has vectors: leave one of them out")
            pretrained = Pretrained.read(self.pretrained, both=self.bidirectional)
            return pretrained.encoder(self.max_length), pretrained
        tokenizer = self.settled()["tokenizer"]
        words = kind == "tokens" or tokenizer == "word"
        how: dict[str, Any] = {"tokenizer": tokenizer, "lowercase": self.lowercase, **limits(self, words=words)}
        encoder = Encoder.learn(kind, inputs, max_length=self.max_length, **how)
        every = encoder.tokenizer
        if every is None:
            return encoder, ReadyVectors.of_numbers(self)
        lowercase = self.lowercase and kind == "texts"  # Token lists are taken as they stand.
        known, ready = ReadyVectors.of(self, every, lambda: counts_of(every, inputs), words=words, lowercase=lowercase)
        return replace(encoder, tokenizer=known), ready

    def _beginning(
        self,
        network: ManyToOne,
        examples: Examples,
        kept: Examples,
        wide: LearnedWide | None,
        begun: Begun,
    ) -> Task:
        """The training of a fresh network."""
        network.standardise(examples.sequences)
        if self.encoder_.vocabulary:
            begun.begin(network.embedding, network.recurrent)
        if wide is None or network.wide is None:
            return self._task(examples, kept, network)
        wide.put_into(network.wide)
        return self._task(replace(examples, offsets=wide.offsets), kept, network)

    def _weigh(
        self,
        network: ManyToOne,
        examples: Examples,
        kept: Examples,
        few: bool,
        begun: Begun,
        seed: int,
    ) -> dict[str, Any]:
        """Weigh the parts of a trained network by examples that it did not learn from; what the summary says of it."""
        if network.wide is None:
            return self._calibrate(network, kept) if len(kept) else {}
        if len(kept) < LEAST and not (few and len(examples) >= LEAST):
            return {}
        if len(kept):
            parts, truth, facts = Parts.of(network, kept), kept.targets, dict[str, Any]()
        else:
            parts, facts = self._in_turns(examples, begun, seed)
            truth = examples.targets
        deep, wide = parts.factors(lambda scores: self._error(scores, truth))
        network.weigh(deep, wide)
        facts[FACTORS] = {"deep": deep, "wide": wide}
        if len(kept):
            facts["best"] = {**self.summary_["best"], **self._task(kept, kept, network.eval()).validate()}
        else:
            facts[IN_TURNS] = self._measured(deep * parts.deep + wide * parts.wide, truth)
        return facts

    def _in_turns(self, examples: Examples, begun: Begun, seed: int) -> tuple[Parts, dict[str, Any]]:
        """What networks say of the examples that they did not learn from, each trained on the others.

        Returns
        -------
        parts : Parts
            Their scores.
        alternatives : dict
            What the obvious alternatives have, learned from the same examples; a part of the summary.
        """
        deep, worth = np.empty((len(examples), self._outputs)), list[dict[str, Any]]()
        wide = np.empty_like(deep)
        for turn, (training, others) in enumerate(in_turns(len(examples), seed), 1):
            if self._progress:
                words = (
                    f"turn {turn} of {FOLDS}: a model of {len(training)} examples, to judge the {len(others)} others"
                )
                print(words, file=sys.stderr, flush=True)
            model, some = copy.copy(self), examples.take(training)
            learned = self._learn_wide(some, self.encoder_.vocabulary, vars(self))
            assert learned is not None  # The whole has one, and a part is learned sooner.
            model.grams_ = len(learned.keys)
            network = model._fresh_network(self.program_, seed)
            train(
                model._beginning(network, some, some.take(training[:0]), learned, begun),
                self._options(seed),
                progress=self._progress,
            )
            said = Parts.of(network, examples.take(others))
            deep[others], wide[others] = said.deep, said.wide
            worth.append(self._alternatives(self._baseline(some, vars(self)), some.targets, examples.take(others)))
        return Parts(deep, wide), mean_of(worth)

    def _calibrate(self, network: ManyToOne, held_out: Examples) -> dict[str, Any]:
        """Calibrate the trained network's outputs on held-out examples; what the summary says of it."""
        return {}

    @property
    def _least_steps(self) -> int:
        return BESIDE_WIDE if self.grams_ else super()._least_steps

    def _encode(self, X: Any) -> list[Tensor]:
        """Examples as the trained network reads them."""
        check_is_fitted(self, "network_")
        return self.encoder_.read(X)

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
            grams=self.grams_,
            beside=self.encoder_.beside,
        )
        dropout = self._now("dropout")
        return ManyToOne(program, sizes, dropout=dropout, word_dropout=self.word_dropout, memory=self.memory)

    def _now(self, name: str) -> Any:
        value = super()._now(name)
        if name == "dropout" and value == AUTO:
            return 0.5 if self.encoder_.vocabulary else 0.2
        return value

    def _json_parameters(self) -> dict[str, Any]:
        parameters = super()._json_parameters()
        return parameters if self.grams_ else {name: value for name, value in parameters.items() if name != "wide"}

    def _description(self) -> dict[str, Any]:
        grams = {"grams": self.grams_} if self.grams_ else {}
        return {"input": {"kind": self.encoder_.kind, "features": self.encoder_.features, **grams}}

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return {} if self.encoder_.tokenizer is None else {"tokenizer": self.encoder_.tokenizer}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        kind, features = description["input"]["kind"], description["input"]["features"]
        for_numbers = (kind == "numbers", features != 0, not tokenizers)
        if kind not in get_args(Kind) or len(set(for_numbers)) > 1 or set(tokenizers) - {"tokenizer"}:
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizer or number of features")
        beside = Beside.of(self.program_, self.gap)
        if beside != NOTHING and kind != "numbers":
            raise ModelFolderError(f"its cell reads more than {kind}")
        self.encoder_ = Encoder(kind, self.max_length, tokenizers.get("tokenizer"), features, beside=beside)
        self.grams_ = description["input"].get("grams", 0)  # Models of 0.1.0 have none.
        if not isinstance(self.grams_, int) or self.grams_ < 0 or (self.grams_ and not self.wide):
            raise ModelFolderError(f"input.grams is {self.grams_!r:.40}, and wide {self.wide}")

    def _check_baseline(self, baseline: Baseline) -> None:
        check_baseline(baseline, outputs=self._outputs, features=self.encoder_.width)

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
        targets, _ = self._read_targets(X, y, len(read_inputs(X, missing=True)[1]))
        return parts_of(X, y, *self._split(targets, self.held_out_share(), seed))
