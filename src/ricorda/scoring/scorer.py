"""A model as a function that can be sent to other processes, which then open the model once each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.scoring.columns import Place, predicted, refuse_taken, text_column


@lru_cache(maxsize=4)
def opened(folder: str, _written: int, precision: str | None = None) -> Any:
    """The model of a folder or of an exported file, opened once in a process."""
    return open_model(folder, precision)


def open_model(folder: str, precision: str | None = None) -> Any:
    """The model of a folder, or one that was exported to ONNX, on ONNX Runtime.

    Parameters
    ----------
    precision : of the recurrent layers' products; by default float32
    """
    if folder.endswith(".onnx"):
        from ricorda.export.to_onnx.run import open_exported

        if precision is not None:
            raise ArgumentError(
                f"precision is {precision!r}, and {folder} was exported as it is: give the model's folder"
            )
        return open_exported(Path(folder))
    from ricorda.tasks.loading import load

    model = load(folder)
    if precision is not None:
        from ricorda.nn import set_precision

        set_precision(model.network_, precision)
    return model


class Scorer:
    """What a model makes of examples; picklable, for workers that can read the model's folder.

    Parameters
    ----------
    folder : str or path
        A model folder, or a file that `ricorda export onnx` wrote. It is opened at the first call.
    text : str, optional
        The column of a table to read; by default the one that the model was trained on.
    probabilities : bool
        Whether tables are given the columns of `ricorda predict --out --probabilities`.
    precision : {"float32", "bf16", "int8"}, optional
        Of the recurrent layers' products on the processor, see `ricorda.nn.Recurrent`; by default float32.
    search : keywords
        What the estimator's `answers` takes beside X: `beam_size` of a translator, `horizon` of a forecaster.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        text: str | None = None,
        probabilities: bool = False,
        precision: str | None = None,
        **search: Any,
    ) -> None:
        self.folder = os.path.abspath(folder)
        self.text, self.probabilities, self.precision, self.search = text, probabilities, precision, search

    @property
    def model(self) -> Any:
        """The estimator."""
        written = os.stat(self.folder).st_mtime_ns if os.path.exists(self.folder) else 0
        return opened(self.folder, written, self.precision)

    def __call__(self, X: Any) -> Any:
        """Answer examples.

        Parameters
        ----------
        X : list of texts or arrays, array [N, T] or [N, T, I], pandas Series, pandas or polars DataFrame, or dict
            A dict maps names of columns to their N values.

        Returns
        -------
        list of dict, DataFrame or dict
            Of examples what `ricorda predict --json` prints of each; a pandas Series gives a DataFrame of the columns
            of predictions, with its index; a table or dict the same one with these columns beside its own.

        Raises
        ------
        DataError, ArgumentError
            If an example is invalid, or the table lacks the column or has one of the predictions' names.
        """
        if isinstance(X, Mapping):
            return {**X, **self._columns(X, list(X))}
        kind = type(X).__module__.split(".")[0]
        if kind == "polars" and hasattr(X, "columns"):
            return X.hstack(type(X)(self._columns(X, X.columns)))
        if kind == "pandas" and hasattr(X, "columns"):
            return X.assign(**self._columns(X, list(X.columns)))
        if kind == "pandas":
            import pandas

            return pandas.DataFrame(self.columns(X.tolist(), lambda row: f"row {row + 1}"), index=X.index)
        return list(self.model.answers(X, **self.search))

    def columns(self, values: Sequence[Any], place: Place) -> dict[str, list[Any]]:
        """The columns of predictions of some examples; `place` is what messages call each."""
        if not len(values):
            return {}
        return predicted(self.model, values, place, probabilities=self.probabilities, search=self.search)

    def _columns(self, table: Any, names: Sequence[str]) -> dict[str, list[Any]]:
        column = text_column(self.model, self.text)
        if column not in names:
            raise ArgumentError(f"the table has no column {column!r} but {', '.join(map(str, names))}: give text=")
        columns = self.columns(list(table[column]), lambda row: f"row {row + 1}, column {column!r},")
        refuse_taken(list(columns), names, "the table")
        return columns
