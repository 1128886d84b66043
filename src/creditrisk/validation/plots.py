"""Pictures of an evaluation and the files that ``dvc plots`` shows."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from creditrisk.validation.curves import curves
from creditrisk.validation.customers import Numbers
from creditrisk.validation.ranking import Outcomes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
DATA_FILES = ("roc.json", "precision_recall.json", "calibration.json", "gains.json", "score_distribution.json")
"""The records that ``write_plots`` writes, in this order; see ``creditrisk.validation.curves`` for their fields."""


@dataclass(frozen=True)
class Drawn:
    """A picture with its words."""

    name: str
    title: str
    caption: str
    """What is seen, and how to read it."""
    figure: Figure

    def svg(self) -> str:
        """Text of an SVG file, the same for the same picture; letters are paths, so no font is needed."""
        return self._bytes("svg").decode()

    def png(self, dots: int = 150) -> bytes:
        """A PNG file of so many dots an inch."""
        return self._bytes("png", dots)

    def _bytes(self, kind: Literal["svg", "png"], dots: int = 72) -> bytes:
        import matplotlib

        target = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with matplotlib.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "path"}):
            self.figure.savefig(target, format=kind, dpi=dots, metadata=metadata)
        return target.getvalue()


def draw(
    y: Floats,
    pd: Floats,
    score: Floats | None = None,
    weight: Floats | None = None,
    seed: int = 0,
    group: Numbers | None = None,
) -> tuple[Drawn, ...]:
    """Every picture: ROC, precision-recall, calibration, gains, lift, KS, PD by decile, and scores where given.

    Args:
        y: 1.0 bad, 0.0 good, shape (n,).
        pd: probability of default, shape (n,).
        score: points, shape (n,).
        weight: shape (n,); ones where absent.
        seed: of the bootstrap under the band of the ROC curve.
        group: a number for the customer of each row, shape (n,), where one may have several: bands count customers.

    Raises:
        DataError: only one class, lengths that differ, or a value out of its range.
    """
    from creditrisk.validation import pictures  # matplotlib takes half a second to import

    rows = Outcomes.check(y, pd, weight, group)
    data = curves(rows, _kept(score, weight))
    drawn = [
        Drawn("roc", "ROC curve", *pictures.roc(data["roc"], rows, seed)),
        Drawn("calibration", "Calibration", *pictures.calibration(data["calibration"])),
        Drawn("pd_by_decile", "PD and bad rate by decile", *pictures.deciles(rows)),
        Drawn("gains", "Bads caught", *pictures.gains(data["gains"], rows)),
        Drawn("lift", "Lift", *pictures.lift(data["gains"])),
        Drawn("ks", "Kolmogorov-Smirnov distance", *pictures.ks(data["ks"])),
        Drawn("precision_recall", "Precision and recall", *pictures.precision_recall(data["precision_recall"], rows)),
    ]
    if score is not None:
        caption, figure = pictures.scores(data["score_distribution"])
        drawn.append(Drawn("score_distribution", "Scores by outcome", caption, figure))
    return tuple(drawn)


def write_plots(
    folder: Path,
    y: Floats,
    pd: Floats,
    score: Floats,
    weight: Floats | None = None,
    pictures: Sequence[Drawn] = (),
    kind: Literal["svg", "png"] = "svg",
    group: Numbers | None = None,
) -> list[Path]:
    """Write the data of the curves (``DATA_FILES``) for ``dvc plots`` and each of ``pictures`` beside them.

    The folder is replaced as a whole: it holds this run's files and no other's, or is as it was before.

    Returns:
        The files written: the data first, then ``NAME.svg`` or ``NAME.png`` for each picture.
    """
    data = curves(Outcomes.check(y, pd, weight, group), _kept(score, weight))
    files = {name: (json.dumps(data[Path(name).stem], indent=1) + "\n").encode() for name in DATA_FILES}
    for drawn in pictures:
        files[f"{drawn.name}.{kind}"] = drawn.svg().encode() if kind == "svg" else drawn.png()
    with _whole_folder(folder) as draft:
        for name, content in files.items():
            (draft / name).write_bytes(content)
    return [folder / name for name in files]


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of ``folder`` when all went well.

    Its name is the same each time, so that the next run removes what a killed one left.
    """
    draft, former = (folder.with_name(f".{folder.name}.{end}") for end in ("draft", "former"))
    for left in (draft, former):
        shutil.rmtree(left, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        yield draft
        if folder.is_dir():
            folder.rename(former)
        draft.rename(folder)
    finally:
        if former.is_dir() and not folder.is_dir():
            former.rename(folder)
        for left in (draft, former):
            shutil.rmtree(left, ignore_errors=True)


def _kept(score: Floats | None, weight: Floats | None) -> Floats | None:
    """Scores of the rows that count: those of weight above 0."""
    if score is None:
        return None
    given = np.asarray(score, dtype=np.float64)
    return given if weight is None else given[np.asarray(weight) > 0]
