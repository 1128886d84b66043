"""Reading the files of an additive model: every number is checked before a table is trusted."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditrisk.contract import Input
from creditrisk.errors import ModelError
from creditrisk.model.additive.terms import Bins, Pair, Terms

ARRAYS = ("cuts", "effects", "indexes", "tables")


class Reader:
    """Hands out the joined arrays piece by piece."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays, self.at = arrays, dict.fromkeys(arrays, 0)

    def take(self, name: str, count: int) -> NDArray[Any]:
        """The next ``count`` numbers of an array."""
        start = self.at[name]
        if not isinstance(count, int) or count < 0 or start + count > self.arrays[name].size:
            raise ValueError(f"{name} hold {self.arrays[name].size} numbers, {count} more expected after {start}")
        self.at[name] = start + count
        return self.arrays[name][start : start + count]

    def finish(self) -> None:
        """Check that nothing is left over."""
        for name, array in self.arrays.items():
            if self.at[name] != array.size:
                raise ValueError(f"{name} hold {array.size} numbers, {self.at[name]} expected")


def parse(content: dict[str, Any], reader: Reader) -> tuple[tuple[Input, ...], float, Terms]:
    """Inputs, baseline and terms from ``model.json``; KeyError, TypeError or ValueError where it is not that."""
    inputs = tuple(Input.model_validate(item) for item in content["inputs"])
    bins = tuple(_parse_bins(shape, item, reader) for shape, item in zip(content["bins"], inputs, strict=True))
    effects = tuple(reader.take("effects", one.count) for one in bins)
    pairs = tuple(_parse_pair(item, bins, reader) for item in content["pairs"])
    reader.finish()
    baseline = content["baseline"]
    if not isinstance(baseline, float) or not np.isfinite(baseline):
        raise ValueError(f"baseline is {baseline!r}, expected a finite number")
    return inputs, baseline, Terms(bins, effects, pairs)


def _parse_bins(shape: dict[str, Any], item: Input, reader: Reader) -> Bins:
    if shape["kind"] != item.kind:
        raise ValueError(f"bins of {item.name} are of kind {shape['kind']!r}, the input is a {item.kind}")
    if item.kind == "category":
        values = tuple(shape["values"])
        if len(set(values)) != len(values) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"values of {item.name} are not distinct texts")
        return Bins("category", np.empty(0), values)
    cuts = reader.take("cuts", shape["cuts"])
    if (np.diff(cuts) <= 0).any():
        raise ValueError(f"cuts of {item.name} do not increase")
    return Bins("number", cuts)


def _parse_pair(content: dict[str, Any], bins: tuple[Bins, ...], reader: Reader) -> Pair:
    first, second, (rows, columns) = content["first"], content["second"], content["shape"]
    if not (0 <= first < len(bins) and 0 <= second < len(bins) and first != second):
        raise ValueError(f"a pair of inputs {first} and {second}")
    first_index, second_index = (reader.take("indexes", bins[one].count) for one in (first, second))
    for index, size in ((first_index, rows), (second_index, columns)):
        if index.min() < 0 or index.max() >= size:
            raise ValueError("a pair's index leads out of its table")
    return Pair(first, second, first_index, second_index, reader.take("tables", rows * columns).reshape(rows, columns))


def join(pieces: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    """One array of all pieces."""
    return np.concatenate([np.empty(0, dtype), *pieces]).astype(dtype)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The four arrays of a model; ModelError where the file is damaged or holds anything else."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read as arrays: {error}. Restore the file or train again.") from None
    for name, array in arrays.items():
        wanted = np.int64 if name == "indexes" else np.float64
        if array.ndim != 1 or array.dtype != wanted or not np.isfinite(array).all():
            raise ModelError(
                f"{path}: {name} must be finite {np.dtype(wanted)} in a row. Restore the file or train again."
            )
    return arrays
