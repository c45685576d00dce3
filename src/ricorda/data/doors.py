"""The doors through which files come in: whatever a library raises at them becomes one sentence about the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

from ricorda.data.source import STANDARD_INPUT, unreadable
from ricorda.errors import DataError, RicordaError

P = ParamSpec("P")
R = TypeVar("R")

_OWN_FAULTS = (AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)
"""What a mistake of ours raises and no damaged file: it stays what it is."""


def door(read: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str | Path, P], R]:
    """A reader of files, or of their parts, that raises RicordaError alone; `-` is the standard input to it."""

    @wraps(read)
    def guarded(path: str | Path, *args: P.args, **options: P.kwargs) -> R:
        source = os.fspath(path)
        source = STANDARD_INPUT if source == "-" else source
        with _as_sentences(source):
            result = read(source, *args, **options)
        return cast(R, _parts(result, source)) if isinstance(result, Generator) else result

    return cast(Callable[Concatenate[str | Path, P], R], guarded)


def _parts(parts: Generator[R], source: str) -> Iterator[R]:
    with closing(parts):
        while True:
            with _as_sentences(source):
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part


@contextmanager
def _as_sentences(source: str) -> Iterator[None]:
    try:
        yield
    except (RicordaError, *_OWN_FAULTS):
        raise
    except OSError as error:
        raise DataError(unreadable(source, error)) from error
    except RecursionError as error:
        raise DataError(f"{source} is nested too deeply to be data: write flat rows") from error
    except MemoryError as error:
        raise DataError(f"{source} does not fit into the memory: split it") from error
    except BaseException as error:
        name = type(error).__name__
        if not isinstance(error, Exception) and name != "PanicException":  # That is what libraries in Rust raise.
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{source} cannot be read ({name}{f': {reason}' if reason else ''}): correct it, or copy or write it again"
        ) from error
