"""What a scored piece of a file comes to: how many rows, and the scores that the metrics count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import polars as pl

    from creditrisk.service.telemetry.counts import Counts


class Tally(msgspec.Struct):
    """Counts of one piece, or the sum of several."""

    rows: int = 0
    scored: int = 0
    scores: list[tuple[str, str, int]] = []
    """By band and decision."""
    bins: list[int] = []
    """How many PDs fell into each of the model's frozen bins."""
    before: bool = False
    """Whether the rows were scored, and counted, when the file came before."""

    def line(self, mark: str) -> bytes:
        """As one line of standard error that begins with a job's mark."""
        return mark.encode() + msgspec.json.encode(self) + b"\n"

    def count(self, counts: Counts, version: str) -> None:
        """Add it to what the worker counts."""
        for band, decision, number in self.scores:
            counts.scores[band, decision, version] += number
        if version in counts.bins:
            held = counts.bins[version][1]
            for place, number in enumerate(self.bins):
                held[place] += number


def tally(answers: pl.DataFrame, limits: Sequence[float]) -> Tally:
    """Count a piece's answers.

    Args:
        answers: with the columns pd, band and decision, null where a row was not scored.
        limits: of the model's frozen PD bins.
    """
    import polars as pl

    scored = answers.select("pd", "band", "decision").filter(pl.col("pd").is_not_null())
    groups = scored.group_by("band", "decision").len().sort("band", "decision")
    places = pl.Series(limits, dtype=pl.Float64).search_sorted(scored["pd"], side="left")
    found = dict(places.alias("place").value_counts().iter_rows())
    bins = [found.get(place, 0) for place in range(len(limits) + 1)]
    return Tally(answers.height, scored.height, list(groups.iter_rows()), bins)


def from_line(line: bytes, mark: str) -> Tally | None:
    """The tally in a line; None where the line does not begin with the mark and says something else."""
    begins = mark.encode()
    return msgspec.json.decode(line[len(begins) :], type=Tally) if line.startswith(begins) else None
