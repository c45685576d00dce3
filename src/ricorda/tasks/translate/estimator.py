"""`Translator`: from one sequence to another, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.baseline import frequencies
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import parts_of, split_by_sentence
from ricorda.data.pairs import as_texts
from ricorda.data.sentences import Sentences, read_pairs_of
from ricorda.data.subwords import decode_subwords, reader_of
from ricorda.data.tokenization import counts_of, encode, tokens_of
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.embedding import ReadyVectors
from ricorda.tasks.estimator import Card, Prepared, SequenceEstimator, pair_of
from ricorda.tasks.measure import Measure
from ricorda.tasks.rules import COUNT
from ricorda.tasks.translate.beam import Search
from ricorda.tasks.translate.examples import Subwords
from ricorda.tasks.translate.inference import Alignment, Translation, alignment, answer_of, translations
from ricorda.tasks.translate.metrics import Report, bleu, grouped, report, sentence_scores
from ricorda.tasks.translate.network import EncoderDecoder, Sizes
from ricorda.tasks.translate.objective import TranslationTask
from ricorda.tasks.translate.parameters import TranslateParameters
from ricorda.tasks.worth import alternatives, of_frequencies


class Translator(SequenceEstimator, TranslateParameters):
    """An encoder that reads a sentence, and a decoder that writes its translation, with attention between them.

    `fit` takes X, N sentences, and y, a translation of each. A sentence may stand several times; all its translations
    are held out together. Both sides are read as subwords (byte-pair encoding), case and punctuation kept;
    translations are plain text.

    Attributes
    ----------
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
    SCORES: ClassVar[Mapping[str, str]] = {
        "validation_loss": "log loss (nats a token)",
        "token_accuracy": "tokens foretold",
    }
    READER: ClassVar[str] = "encoder"
    SHARDS = True
    LOSS: ClassVar[str] = "cross-entropy (nats a token)"

    def predict(self, X: Any) -> list[str]:
        """The best translation of each sentence.

        Raises
        ------
        DataError
            If a sentence is no text, blank or longer than `max_length`.
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
            Values that replace the estimator's own.

        Raises
        ------
        ArgumentError, DataError
            If a number or a sentence is invalid.
        """
        check_is_fitted(self, "network_")
        options = self._search(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
        if not COUNT.holds(n_best) or n_best > options.beam_size:
            raise ArgumentError(f"n_best is {n_best!r}: give a whole number from 1 to beam_size ({options.beam_size})")
        return self._translated(Sentences.read(X), options, n_best)

    def answers(self, X: Any, **search: Any) -> Iterator[dict[str, Any]]:
        """What `ricorda predict --json` prints of each sentence; `search` is what `translate` takes beside X."""
        yield from map(answer_of, getattr(X, "inputs", X), self.translate(X, **search))

    def attend(self, text: str, translation: str | None = None) -> Alignment:
        """The attention while a sentence is translated.

        Parameters
        ----------
        text : str
            The sentence.
        translation : str, optional
            The translation whose attention is shown; the best one by default.

        Raises
        ------
        ArgumentError
            If the model has no attention.
        DataError
            If a text is invalid.
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

        Translations and references are compared as the model writes texts: in composed characters (NFC), with single
        spaces, and in small letters if `lowercase`.

        Parameters
        ----------
        X, y : sequence [N] of str
            Sentences, and a translation of each.
        beam_size, length_penalty, coverage_penalty
            Values that replace the estimator's own.

        Raises
        ------
        DataError
            If a sentence is invalid.
        """
        check_is_fitted(self, "network_")
        options = self._search(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
        sources, targets = read_pairs_of(X, y)
        groups = grouped(sources.texts, targets.texts)
        rows = {text: row for row, text in reversed(list(enumerate(sources.texts)))}
        different = Sentences(list(groups), lambda index: sources.place(rows[different.texts[index]]))
        translated = [best[0].text for best in self._translated(different, options, 1)]
        written = self.subwords_.written
        references = [written(texts) for texts in groups.values()]
        figures = report(different.texts, written(translated), references, lowercase=self.lowercase)
        copied = bleu(written(different.texts), references, lowercase=self.lowercase)
        return replace(figures, **alternatives("bleu", {"copying the source": copied}))

    def score(self, X: Any, y: Any) -> float:
        """BLEU of `evaluate`, 0 to 100."""
        return self.evaluate(X, y).bleu

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        sources, targets = read_pairs_of(X, y)
        if not self._shards.first:
            return self._prepare_shard(sources, targets)
        others = None
        if validation is not None:
            others = read_pairs_of(*pair_of(validation), names=("validation[0]", "validation[1]"))
        fraction = self.held_out_share() if others is None else 0.0
        training, held_out = split_by_sentence(sources.texts, fraction, seed)
        known = [sources.texts[row] for row in training]
        subwords = Subwords.learn(
            known,
            [targets.texts[row] for row in training],
            shared=self.shared_vocabulary,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
        )
        ready = self._ready(subwords.source, known)
        every = subwords.encode_pairs(sources, targets, self.max_length)
        examples, kept = every.take(training), every.take(held_out)
        if others is not None:
            kept = subwords.encode_pairs(*others, self.max_length)

        def task(network: EncoderDecoder) -> TranslationTask:
            ready.begin(network.source_embedding)
            return TranslationTask(network, examples, kept, self.label_smoothing)

        data = fingerprint(examples.sources, examples.targets, kept.sources, kept.targets)

        def worth(_network: EncoderDecoder) -> dict[str, Any]:
            if not kept.targets:
                return ready.summary
            counts = frequencies(torch.cat(list(examples.targets)), subwords.target.get_vocab_size())
            return {**ready.summary, **of_frequencies("token_accuracy", counts, torch.cat(list(kept.targets)))}

        learned, counts = {"subwords_": subwords, **ready.facts(self)}, (len(examples.targets), len(kept.targets))
        self._shards.agree(learned)
        return Prepared(learned, task, data, *counts, worth, ready.settings())

    def _prepare_shard(self, sources: Sentences, targets: Sentences) -> Prepared:
        """The pairs of another process than the first, read as the first one learned to read its own."""
        learned = self._shards.agree(dict[str, Any]())
        examples = learned["subwords_"].encode_pairs(sources, targets, self.max_length)

        def task(network: EncoderDecoder) -> TranslationTask:
            return TranslationTask(network, examples, examples.take(np.empty(0, np.intp)), self.label_smoothing)

        return Prepared(learned, task, fingerprint(examples.sources, examples.targets), len(examples.targets), 0)

    def _ready(self, tokenizer: Tokenizer, texts: list[str]) -> ReadyVectors:
        """What the source's embedding begins with: of its subwords, those that begin a word may have vectors."""
        if self.vectors is not None and self.shared_vocabulary:
            raise ArgumentError("vectors are for the source alone, and shared_vocabulary is on: leave one of them out")
        return ReadyVectors.of(self, tokenizer, lambda: counts_of(tokenizer, texts), words=False, lowercase=False)[1]

    def _search(self, **others: Any) -> Search:
        own = Search(self.beam_size, self.length_penalty, self.coverage_penalty)
        return replace(own, **{name: value for name, value in others.items() if value is not None})

    def _translated(self, sentences: Sentences, options: Search, n_best: int) -> list[list[Translation]]:
        sources = self.subwords_.encode_sources(sentences, self.max_length)
        return [
            [
                Translation(decode_subwords(self.subwords_.target, one.tokens), one.score, one.log_probability)
                for one in best[:n_best]
            ]
            for best in translations(self.network_, sources, options)
        ]

    def _network(self, program: Program) -> EncoderDecoder:
        sizes = Sizes(
            source_vocabulary=self.subwords_.source.get_vocab_size(),
            target_vocabulary=self.subwords_.target.get_vocab_size(),
            embedding=int(self._now("embedding_size")),  # A NumPy integer becomes Python's.
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
            return {"tokenizer": self.subwords_.target}
        return {"source_tokenizer": self.subwords_.source, "target_tokenizer": self.subwords_.target}

    def _restore(self, _description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        names = ["tokenizer"] if self.shared_vocabulary else ["source_tokenizer", "target_tokenizer"]
        if set(tokenizers) != set(names):
            raise ModelFolderError(f"it holds not the tokenizers {' and '.join(names)}")
        source, target = tokenizers[names[0]], tokenizers[names[-1]]
        self.subwords_ = Subwords(reader_of(source) if self.shared_vocabulary else source, target)

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
            pipeline="translation",
        )

    # What insight asks of a task

    def _read_example(self, example: Any) -> list[str]:
        self.translate([example], beam_size=1)
        return tokens_of(self.subwords_.source, example)[: self.max_length]

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        sources, _ = read_pairs_of(X, y)
        return parts_of(X, y, *split_by_sentence(sources.texts, self.held_out_share(), seed))

    def _measure(self) -> Measure:
        return Measure("mean chrF of a sentence (0 to 100)", "a sentence: chrF of its translation", True)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        references = grouped(list(getattr(X, "inputs", X)), list(y))
        written = self.subwords_.written
        translated = written(self.predict(list(references)))
        scores = sentence_scores(translated, [written(texts) for texts in references.values()])
        return scores, np.ones(len(scores))
