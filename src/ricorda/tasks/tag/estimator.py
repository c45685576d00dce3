"""`SequenceTagger`: many to many, aligned, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import NoneType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.beside import Beside
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import parts_of, split_rows
from ricorda.data.inputs import place_of
from ricorda.data.labels import read_labels
from ricorda.data.tag_targets import classes_of, read_step_targets
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program
from ricorda.tasks.config import Shape
from ricorda.tasks.embedding import ReadyVectors, limits
from ricorda.tasks.estimator import Card, Prepared, SequenceEstimator, pair_of
from ricorda.tasks.measure import Measure
from ricorda.tasks.pretrained import Pretrained
from ricorda.tasks.tag.context import Spelling
from ricorda.tasks.tag.examples import target_tensors, targeted
from ricorda.tasks.tag.inference import Inputs, of_each
from ricorda.tasks.tag.metrics import NumberReport, TagReport, number_report, tag_report
from ricorda.tasks.tag.network import Aligned, Sizes
from ricorda.tasks.tag.objective import Tagging, Targeted, unread_probabilities
from ricorda.tasks.tag.parameters import TagParameters
from ricorda.tasks.tag.reading import Reading, read_sequences
from ricorda.tasks.tag.words import WordVocabulary
from ricorda.tasks.worth import of_classes


class SequenceTagger(SequenceEstimator, TagParameters):
    """A recurrent network that gives each step of a sequence a tag, or numbers.

    `fit` takes X, a sequence of lists of words, or of arrays of numbers [T, I] (or [T]) of different lengths, or an
    array [N, T] or [N, T, I]; and y, for each a list of tags (texts, whole numbers or booleans), or an array [T] or
    [T, O] of numbers, with as many steps as the example. A word is read as itself and, by a recurrent layer of its own,
    character by character. Numbers are learned by their squared error.

    Attributes
    ----------
    classes_ : array [tags]
        The tags, sorted; None where the targets are numbers.
    reading_ : Reading
        Its vocabulary, or number of features.

    Examples
    --------
    >>> from ricorda import SequenceTagger
    >>> sentences, tags = [["the", "cat", "sleeps"], ["cats", "sleep"]] * 20, [["D", "N", "V"], ["N", "V"]] * 20
    >>> model = SequenceTagger(hidden_size=8, epochs=10, learning_rate=0.02, random_state=0).fit(sentences, tags)
    >>> model.predict([["the", "cats", "sleep"]])
    [['D', 'N', 'V']]
    """

    TASK: ClassVar[str] = "tag"
    READS_BESIDE = True
    SHARDS = True
    SCORES: ClassVar[Mapping[str, str]] = {"validation_loss": "loss"}
    SHAPE: ClassVar[Shape] = {"classes": (list, NoneType), "outputs": int, "input": {"kind": str, "features": int}}

    def predict(self, X: Any) -> list[Any]:
        """The tags of each sequence, a list of lists; or its numbers, a list of arrays float64 [T, O].

        Raises
        ------
        DataError
            If the sequences are of another kind than the model was trained on, or one is invalid.
        """
        inputs = self._encode(X)
        if self.classes_ is None:
            return self._numbers(inputs)
        names = self.classes_.tolist()
        return [[names[tag] for tag in tags] for tags in self._verdicts(inputs)]

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """Probability of each tag at each step, an array [T, tags] for each sequence, in the order of `classes_`.

        With `crf` these are the marginals: each tag's probability over all sequences of tags.

        Raises
        ------
        ArgumentError
            If the model predicts numbers.
        DataError
            As `predict`.
        """
        inputs = self._encode(X)
        if self.classes_ is None:
            raise ArgumentError("the model gives numbers, which have no probabilities: use predict")
        return self._probabilities(inputs)

    def answers(self, X: Any) -> Iterator[dict[str, Any]]:
        """What `ricorda predict --json` prints of each sentence: its words, their tags, and these tags' probabilities.

        Raises
        ------
        ArgumentError
            If the model reads or gives numbers.
        """
        names, inputs = self.known_tags(), self._encode(X)
        said = zip(getattr(X, "inputs", X), self._verdicts(inputs), self._probabilities(inputs), strict=True)
        for words, chosen, of_tags in said:
            shares = [float(of_tags[step, tag]) for step, tag in enumerate(chosen)]
            yield {"words": words, "tags": [names[tag] for tag in chosen], "probabilities": shares}

    def known_tags(self) -> list[str]:
        """The tags of a model that reads words and gives tags; raises ArgumentError for one of numbers."""
        if self.reading_.kind != "tokens" or self.classes_ is None:
            raise ArgumentError(
                "the model reads or gives numbers, which no command prints: use ricorda.load(FOLDER).predict(...) in "
                "Python"
            )
        return list(self.classes_.tolist())

    def score(self, X: Any, y: Any) -> float:
        """Share of steps with the right tag; for numbers R2, the share of their variance that is explained."""
        report = self.evaluate(X, y)
        return report.accuracy if isinstance(report, TagReport) else report.r2

    def evaluate(self, X: Any, y: Any) -> TagReport | NumberReport:
        """Accuracy, that of unseen words, precision, recall and F1 of each tag and of spans; or errors of numbers.

        Raises
        ------
        DataError
            If a tag is none of `classes_`, or a sequence is invalid.
        """
        check_is_fitted(self, "network_")
        examples = targeted(X, y, self.reading_, self.classes_, self.outputs_)
        truth = [target.numpy() for target in examples.targets]
        if self.classes_ is None:
            return number_report(truth, self._numbers(examples.inputs))
        probabilities = self._probabilities(examples.inputs)
        return tag_report(
            truth,
            probabilities,
            self._verdicts(examples.inputs) if self.crf else [rows.argmax(1) for rows in probabilities],
            [seen.numpy() for seen in examples.inputs.seen()],
            self.classes_.tolist(),
        )

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        place = place_of(X)
        beside = Beside.of(self.program_, self.gap)
        kind, inputs = read_sequences(X, place, missing=beside.mask)
        target_kind, targets = read_step_targets(y, inputs, place)
        own = {tag for tags in targets for tag in tags} if target_kind == "tags" else ()
        everywhere = self._shards.gather(sorted(own))
        classes = classes_of(everywhere) if target_kind == "tags" else None
        if classes is None and self.crf:
            raise ArgumentError("crf=True scores tags, and y has numbers: leave it out, or give tags")
        if not self._shards.first:
            return self._prepare_shard(X, y, inputs)
        fraction = self.held_out_share() if validation is None else 0.0
        training, held_out = split_rows(len(inputs), fraction, seed, "sequence")
        known = [inputs[row] for row in training]
        vocabulary, ready = self._vocabulary(known) if kind == "tokens" else (None, ReadyVectors.of_numbers(self))
        begun = None if self.pretrained is None else Pretrained.read(self.pretrained)
        if begun is not None and vocabulary is None:
            raise ArgumentError("pretrained is for words, and X has numbers: leave it out")
        spelling = None if begun is None else Spelling.of(begun)
        features = 0 if vocabulary else inputs[0].shape[1]
        reading = Reading(kind, vocabulary, features, spelling, beside.for_kind(kind, self.program_))
        outputs = targets[0].shape[1] if classes is None else len(classes)
        every = Targeted(reading.encode(kind, inputs, place), target_tensors(targets, inputs, classes, place))
        examples, held = every.take(training), every.take(held_out)
        if validation is not None:
            held = targeted(*pair_of(validation), reading, classes, outputs, ("validation[0]", "validation[1]"))
        unread = unread_probabilities(vocabulary.counts(known), self.word_dropout) if vocabulary else None

        def task(network: Aligned) -> Tagging:
            numbers = examples.inputs.sequences if kind == "numbers" else None
            network.standardise(numbers, examples.targets if classes is None else None)
            if kind == "tokens":
                ready.begin(network.embedding)
            if network.context is not None and begun is not None:
                network.context.begin(begun)
            return Tagging(network, examples, held, unread)

        learned = {"classes_": classes, "reading_": reading, "outputs_": outputs, **_shown(classes)}
        settings = ready.settings() | ({} if begun is None else begun.settings())
        learned |= {} if begun is None else {"program_": begun.cell_of(self)}
        learned |= ready.facts(self)
        self._shards.agree(learned)
        data = fingerprint(examples.tensors(), held.tensors())

        def worth(_network: Aligned) -> dict[str, Any]:
            if classes is None or not held.targets:
                return ready.summary
            tags = np.concatenate(examples.targets), np.concatenate(held.targets)
            return {**ready.summary, **of_classes({}, tags[0], [], tags[1], "tag")}

        return Prepared(learned, task, data, len(training), len(held.targets), worth, settings)

    def _prepare_shard(self, X: Any, y: Any, inputs: list[Any]) -> Prepared:
        """The examples of another process than the first, read as the first one learned to read its own."""
        learned = self._shards.agree(dict[str, Any]())
        reading, classes = learned["reading_"], learned["classes_"]
        examples = targeted(X, y, reading, classes, learned["outputs_"])
        words = reading.vocabulary
        unread = unread_probabilities(words.counts(inputs), self.word_dropout) if words else None

        def task(network: Aligned) -> Tagging:
            return Tagging(network, examples, examples.take(np.empty(0, np.intp)), unread)

        return Prepared(learned, task, fingerprint(examples.tensors()), len(examples.targets), 0)

    def _vocabulary(self, sentences: list[list[str]]) -> tuple[WordVocabulary, ReadyVectors]:
        """The vocabulary of training sentences, and what its embedding begins with."""
        every = WordVocabulary.learn(sentences, lowercase=self.lowercase, **limits(self, words=True))
        words, ready = ReadyVectors.of(
            self, every.words, lambda: every.counts(sentences).numpy(), words=True, lowercase=self.lowercase
        )
        return replace(every, words=words), ready

    def _encode(self, X: Any) -> Inputs:
        check_is_fitted(self, "network_")
        place = place_of(X)
        kind, inputs = read_sequences(X, place, missing=self.reading_.beside.mask)
        return self.reading_.encode(kind, inputs, place)

    def _verdicts(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, self.network_.best)

    def _probabilities(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, self.network_.probabilities)

    def _numbers(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, lambda scores, _lengths: self.network_.numbers(scores).double())

    def _network(self, program: Program) -> Aligned:
        vocabulary, spelling = self.reading_.vocabulary, self.reading_.spelling
        sizes = Sizes(
            outputs=self.outputs_,
            hidden=int(self.hidden_size),  # A NumPy integer becomes Python's.
            layers=int(self.num_layers),
            bidirectional=self.bidirectional,
            vocabulary=0 if vocabulary is None else vocabulary.words.get_vocab_size(),
            embedding=int(self._now("embedding_size")),
            alphabet=0 if vocabulary is None else vocabulary.characters.get_vocab_size(),
            character_embedding=int(self.character_embedding_size),
            character_hidden=int(self.character_hidden_size),
            features=self.reading_.features,
            beside=self.reading_.beside,
            numbers=self.classes_ is None,
            context_alphabet=0 if spelling is None else spelling.tokenizer.get_vocab_size(),
            context=() if spelling is None else spelling.sizes,
        )
        return Aligned(program, sizes, dropout=self.dropout, crf=self.crf, memory=self.memory)

    def _description(self) -> dict[str, Any]:
        return {
            "classes": None if self.classes_ is None else self.classes_.tolist(),
            "outputs": self.outputs_,
            "input": self.reading_.description(),
        }

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return self.reading_.tokenizers()

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        names, outputs = description["classes"], description["outputs"]
        classes = None if names is None else read_labels(names, len(names), "classes")
        if classes is not None and (classes.tolist() != np.unique(classes).tolist() or len(classes) != outputs):
            raise ModelFolderError("its classes are not different and in order, one for each output")
        beside = Beside.of(self.program_, self.gap)
        self.reading_ = Reading.restored(description["input"], tokenizers, lowercase=self.lowercase, beside=beside)
        self.classes_, self.outputs_ = classes, outputs
        self.__dict__ |= _shown(classes)

    def _card(self) -> Card:
        use = []
        if self.reading_.kind == "tokens":
            use = ['ricorda predict FOLDER "Il gatto dorme ."', "ricorda predict FOLDER --file sentences.txt"]
        steps = "word of a sentence" if self.reading_.kind == "tokens" else "step of a series"
        gives = f"one of {len(self.classes_)} tags" if self.classes_ is not None else f"{self.outputs_} numbers"
        return Card(
            title="A tagger of sequences",
            does=f"It gives each {steps} {gives}.",
            use=use,
            python="model.predict([...])  # lists of words" if use else "model.predict([...])  # arrays [T, I]",
            limits="It knows what its examples showed and nothing else: other subjects, languages or times than "
            "theirs are a guess, and so are words that it never saw; `ricorda evaluate` says how good a guess.",
            pipeline="token-classification" if self.reading_.kind == "tokens" else "",
        )

    # What insight asks of a task

    def _read_example(self, example: Any) -> list[str] | None:
        example = example.split() if isinstance(example, str) else example
        self.predict([example])
        return list(map(str, example)) if self.classes_ is not None or isinstance(example[0], str) else None

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        _, inputs = read_sequences(X, place_of(X), missing=Beside.of(as_program(self.cell), self.gap).mask)
        kind, targets = read_step_targets(y, inputs, place_of(X))
        training, held_out = split_rows(len(inputs), self.held_out_share(), seed, "sequence")
        if kind == "tags":  # The only sequence with some tag is trained on.
            known = {tag for row in training for tag in targets[row]}
            unknown = np.array([not known.issuperset(targets[row]) for row in held_out], dtype=bool)
            training, held_out = np.sort(np.concatenate([training, held_out[unknown]])), held_out[~unknown]
        return parts_of(X, y, training, held_out)

    def _measure(self) -> Measure:
        if self.classes_ is None:
            return Measure("mean squared error", "a sequence: its mean squared error, each step weighing alike", False)
        return Measure("accuracy", "a sequence: its share of right tags, each step weighing alike", True, share=True)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        said = self.predict(X)
        pairs = list(zip(said, y, strict=True))
        if self.classes_ is None:
            errors = [ours - np.asarray(right, dtype=np.float64).reshape(ours.shape) for ours, right in pairs]
            return [np.square(error).mean() for error in errors], [len(error) for error in errors]
        shares = [np.mean([a == b for a, b in zip(tags, right, strict=True)]) for tags, right in pairs]
        return shares, [len(tags) for tags in said]


def _shown(classes: NDArray[Any] | None) -> dict[str, Any]:
    """The figures of a validation to show: they differ between tags and numbers, so the class does not know them."""
    if classes is None:
        names = {"r2": "R2", "validation_loss": "squared error (of deviation 1)"}
    else:
        names = {"accuracy": "accuracy", "validation_loss": "log loss (nats)"}
    return {"SCORES": names, "LOSS": names["validation_loss"]}
